"""The pose image: the coloured stick figure that the generator is shown.

Training and the live engine draw it with this one function. It is the coloured stick figure of the
few-shot paper (section 3.1) in OpenPose's 18 colours, with two toes added.
"""

import numpy as np
from numpy.typing import NDArray

from engine.motion._kernels_draw import paint_skeleton
from engine.pose.skeleton import PUPPET_20

RAINBOW = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""OpenPose's palette: joint k has colour k, and bone k of `PUPPET_20` a darker colour k."""

# OpenPose has no such toes. Dull colours stay apart from each other and from the whole rainbow.
_RIGHT_TOE, _LEFT_TOE = (190, 110, 110), (110, 110, 190)

_LIMB_SHADE = 0.6  # as OpenPose does, limbs are darker than joints, so that joints stand out
_HALF_WIDTH = 1 / 90  # of the picture's size
_DISC_RADIUS = 1 / 75

_JOINT_COLOURS = np.array([*RAINBOW, _RIGHT_TOE, _LEFT_TOE], dtype=np.uint8)
_BONE_COLOURS = np.rint(
    np.array([*RAINBOW[:17], _RIGHT_TOE, _LEFT_TOE]) * _LIMB_SHADE
).astype(np.uint8)  # fmt: skip
_BONES = np.array(PUPPET_20.bones, dtype=np.int64)


def draw_pose(joints: NDArray[np.float32], out: NDArray[np.uint8]) -> None:
    """Draw a stick figure on white.

    Bones are painted from far to near by their mean z, then all joints over them; ties, and z that
    are not numbers, keep the skeleton's order. A joint with a score under 0.05, or without a
    finite position, is not drawn, nor are its bones. What lies outside the picture is cut off.

    Safe to call from several threads, each with its own `out`.

    Args:
        joints: (20, 4) of `PUPPET_20`: x, y in pixels of the picture, z away from the camera,
            score in [0, 1].
        out: (S, S, 3) RGB, C-contiguous; all of it is overwritten.

    Raises:
        ValueError: an array of another shape, type or layout.
    """
    out.fill(255)
    draw_overlay(out, joints)


def draw_overlay(image: NDArray[np.uint8], joints: NDArray[np.float32]) -> None:
    """Draw the same stick figure onto a picture, in place.

    Args:
        image: (H, W, 3) RGB, C-contiguous. Line widths follow its shorter side.
        joints: (20, 4) of `PUPPET_20` in pixels of `image`, as for `draw_pose`.

    Raises:
        ValueError: an array of another shape, type or layout.
    """
    if joints.shape != (20, 4) or joints.dtype != np.float32 or not joints.flags.c_contiguous:
        raise ValueError(
            f"joints must be a C-contiguous (20, 4) float32 array, "
            f"but it is {joints.shape} {joints.dtype}"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"a picture must be an (H, W, 3) uint8 array, but it is {image.shape} {image.dtype}"
        )
    if not image.flags.c_contiguous or not image.flags.writeable:
        raise ValueError("a picture that is drawn on must be C-contiguous and writeable; copy it")
    size = min(image.shape[:2])
    paint_skeleton(
        joints, _BONES, _BONE_COLOURS, _JOINT_COLOURS,
        size * _HALF_WIDTH, size * _DISC_RADIUS, image,
    )  # fmt: skip
