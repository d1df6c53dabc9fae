"""What could draw on an NVIDIA GPU here: TensorRT in its two kinds, and what other packages add.

Another package adds a backend by an entry point of the group `ayatsuri.backends`: its name is the
backend's, its object, a module say, is a `Runtime`. `export` so adds PyTorch, which the engine does
not import. Nothing is loaded where there is no GPU.
"""

from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol

from engine.backends.base import Backend
from engine.backends.cuda import identify, why_not
from engine.errors import BackendError, MissingDependency, pip_install

if TYPE_CHECKING:
    from engine.character import Network

GROUP: Final = "ayatsuri.backends"
BACKENDS: Final = ("tensorrt-rtx", "tensorrt", "torch-cuda")


class Runtime(Protocol):
    """What an entry point gives."""

    def precisions(self) -> tuple[str, ...]:
        """Those that it runs in here, as `engine.backends.choose` names them; perhaps none."""
        ...

    def open_backend(self, network: "Network", precision: str) -> Backend:
        """A network, running.

        Raises:
            BackendError: it cannot run.
        """
        ...


def candidates(network: "Network") -> list[tuple[str, str]]:
    """Backends and precisions that could run a network here; none without a GPU."""
    if why_not() is not None:
        return []
    able = ["fp32", "fp16", *(["int8"] if "int8" in network.variants else [])]
    found = [
        (name, precision)
        for name in ("tensorrt-rtx", "tensorrt")
        if present(name)
        for precision in able
    ]
    for name, runtime in _added().items():
        found += [(name, precision) for precision in runtime.precisions()]
    return found


def present(name: str) -> bool:
    """Whether a backend of `BACKENDS` is here, on a machine with a GPU."""
    if name == "torch-cuda":
        added = _added()
        return name in added and bool(added[name].precisions())
    if not _installed("cuda.bindings") or not _installed(name.replace("-", "_")):
        return False
    from engine.backends.tensorrt_build import CAPABILITIES

    return name == "tensorrt" or identify().capability in CAPABILITIES


def open_backend(name: str, precision: str, network: "Network") -> Backend:
    """Start one of `candidates`.

    Raises:
        MissingDependency, BackendError: it cannot run; see the backends.
    """
    if reason := why_not():
        raise BackendError(reason)
    if name in ("tensorrt-rtx", "tensorrt"):
        from engine.backends.tensorrt import TensorRtBackend
        from engine.backends.tensorrt_build import in_precision

        model = in_precision(network, precision)
        return TensorRtBackend(model, kind="tensorrt" if name == "tensorrt" else "tensorrt-rtx")
    added = _added()
    if name not in added:
        raise MissingDependency(
            f"no package adds the backend {name}; torch comes with `{pip_install('train')}`"
        )
    return added[name].open_backend(network, precision)


def missing(name: str) -> str:
    """Why a backend of `BACKENDS` is not among the candidates, in one line."""
    if reason := why_not():
        return reason
    if name == "torch-cuda":
        return f"torch finds no GPU, or is not installed: `{pip_install('train')}`"
    extra = "rtx" if name == "tensorrt-rtx" else "gpu"
    if not _installed("cuda.bindings") or not _installed(name.replace("-", "_")):
        return f"it is not installed: `{pip_install(extra)}`"
    return f"it does not know compute capability {identify().capability}"


def gpu() -> str | None:
    """The GPU and its driver in words, as far as they can be told; None without one."""
    if why_not() is not None:
        return None
    return str(identify()) if _installed("cuda.bindings") else "an NVIDIA GPU"


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


def _added() -> dict[str, Runtime]:
    """What other packages add; one that lacks a package of its own adds nothing."""
    found: dict[str, Runtime] = {}
    for entry in entry_points(group=GROUP):
        try:
            found[entry.name] = entry.load()
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("engine", "export", "training"):
                raise
    return found
