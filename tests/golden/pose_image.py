"""Makes pose_image.png: `python -m tests.golden.pose_image`. Look at it before you commit it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.motion.draw import draw_pose

PATH = Path(__file__).with_suffix(".png")

# x, y, z of a figure that steps to its right, one arm up and the other before its body.
_JOINTS = (
    (128.0, 62.0, -20.0), (128.3, 84.2, 0.0),
    (111.6, 85.1, 0.5), (95.2, 70.4, 4.0), (108.5, 40.7, -5.0),
    (144.1, 84.9, -0.5), (168.0, 100.3, -8.0), (125.4, 112.8, -30.0),
    (119.0, 136.2, 0.0), (92.7, 165.5, -10.0), (70.1, 200.9, 0.0),
    (137.5, 135.8, 0.0), (139.2, 178.1, -2.0), (140.6, 220.4, 3.0),
    (119.3, 55.6, -17.0), (136.8, 55.1, -17.0), (108.9, 60.2, 0.0), (147.7, 59.5, 0.0),
    (62.4, 208.3, -6.0), (145.9, 233.0, -6.0),
)  # fmt: skip


def pose_image() -> NDArray[np.uint8]:
    """(256, 256, 3) RGB."""
    joints = np.ones((20, 4), np.float32)
    joints[:, :3] = _JOINTS
    out = np.empty((256, 256, 3), np.uint8)
    draw_pose(joints, out)
    return out


if __name__ == "__main__":
    import cv2

    cv2.imwrite(str(PATH), pose_image()[..., ::-1])
