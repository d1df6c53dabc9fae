"""The pose of one person in one picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """MediaPipe's 33 landmarks of one person (`engine.pose.skeleton.MEDIAPIPE_33`).

    Attributes:
        keypoints: (33, 2) float32, pixels of the source's picture.
        scores: (33,) float32 in [0, 1]: how likely each is visible.
        world: (33, 3) float32, metres about the middle of the hips; x right in the picture, y
            down, z away from the camera.
    """

    keypoints: NDArray[np.float32]
    scores: NDArray[np.float32]
    world: NDArray[np.float32]
