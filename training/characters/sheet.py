"""Contact sheet of a character: a turnaround and action poses.

`python -m training.characters.sheet -o sheet.png`
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from engine import console
from engine.mocap.rig import INDEX, JOINTS, RigPose
from engine.premultiplied import on_white
from training.characters import ito
from training.characters.character import RiggedCharacter
from training.characters.shapes import F64
from training.errors import BadInput
from training.render.scene import render

Angles = Mapping[str, tuple[float, float, float]]

_DOWN: Angles = {
    "l_clavicle": (0, 0, -4), "r_clavicle": (0, 0, 4),
    "l_upper_arm": (0, 0, -66), "r_upper_arm": (0, 0, 66),
    "l_forearm": (0, -14, -4), "r_forearm": (0, 14, 4),
}  # fmt: skip
POSES: dict[str, Angles] = {
    "stand": _DOWN,
    "wave": _DOWN | {
        "r_clavicle": (0, 0, -14), "r_upper_arm": (0, 0, -12), "r_forearm": (0, 0, -62),
        "head": (0, -8, 8), "spine": (0, 0, -4),
    },
    "cheer": {
        "l_clavicle": (0, 0, 18), "r_clavicle": (0, 0, -18), "l_upper_arm": (0, 0, 52),
        "r_upper_arm": (0, 0, -52), "l_forearm": (0, 0, 10), "r_forearm": (0, 0, -10),
        "l_thigh": (-20, 0, 6), "r_thigh": (0, 0, -4), "l_shin": (50, 0, 0), "head": (-8, 0, 0),
    },
    "squat": _DOWN | {
        "l_upper_arm": (0, -50, -30), "r_upper_arm": (0, 50, 30), "l_forearm": (0, -50, 0),
        "r_forearm": (0, 50, 0), "l_thigh": (-85, 6, 0), "r_thigh": (-85, -6, 0),
        "l_shin": (105, 0, 0), "r_shin": (105, 0, 0), "l_foot": (-18, 0, 0), "r_foot": (-18, 0, 0),
        "hips": (0, 55, 0), "spine": (12, 0, 0),
    },
    "crossed": _DOWN | {
        "l_upper_arm": (0, -40, -58), "r_upper_arm": (0, 44, 56), "l_forearm": (0, -100, -20),
        "r_forearm": (0, 104, 14), "head": (4, 6, -4),
    },
    "kick": _DOWN | {
        "r_thigh": (-88, 0, 0), "r_shin": (10, 0, 0), "l_upper_arm": (0, 0, -10),
        "r_upper_arm": (0, 0, 20), "chest": (-6, 14, 0), "hips": (0, 20, 0),
    },
    "dance": {
        "hips": (0, -18, 6), "chest": (0, 16, -8), "l_upper_arm": (0, -20, 40),
        "l_forearm": (0, -70, 40),
        "r_upper_arm": (0, 10, 40), "r_forearm": (0, 40, 60), "l_thigh": (-12, 0, 10),
        "r_thigh": (-26, 0, -22), "r_shin": (52, 0, 0), "l_shin": (10, 0, 0), "head": (0, 14, 8),
        "r_foot": (20, 0, 0),
    },
    "bow": _DOWN | {
        "hips": (20, 0, 0), "spine": (20, 0, 0), "chest": (15, 0, 0), "head": (10, 0, 0),
        "l_thigh": (-20, 0, 0), "r_thigh": (-20, 0, 0),
    },
}  # fmt: skip


def euler(degrees: tuple[float, float, float]) -> F64:
    """Rotation (3, 3) by angles about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def rig_pose(
    angles: Angles, yaw: float = 0.0, root: tuple[float, float, float] = (0, 0, 0)
) -> RigPose:
    """A pose from angles in degrees by joint, the whole body turned by `yaw`."""
    rotations = np.tile(np.eye(3), (len(JOINTS), 1, 1))
    for name, degrees in angles.items():
        rotations[INDEX[name]] = euler(degrees)
    rotations[0] = euler((0.0, yaw, 0.0)) @ rotations[0]
    return RigPose(rotations, np.asarray(root, np.float64))


def sheet(character: RiggedCharacter, size: int, supersample: int = 3) -> NDArray[np.uint8]:
    """(2 size, 8 * 0.68 size, 3) picture: eight views above, eight poses below."""
    crop = slice(int(0.16 * size), int(0.84 * size))
    views = [rig_pose(_DOWN, yaw) for yaw in (0, 35, 65, 90, 135, 180, 225, 315)]
    drops = {"squat": -0.58}
    acts = [rig_pose(p, 0.0, (0, drops.get(n, 0.0), 0)) for n, p in POSES.items()]
    rows = []
    for row in (views, acts):
        pictures = [
            on_white(render(character.pose(p), character.camera, size, supersample)) for p in row
        ]
        rows.append(np.concatenate([picture[:, crop] for picture in pictures], axis=1))
    return np.concatenate(rows, axis=0)


def write_sheet(
    output: Path,
    picture: NDArray[np.uint8],
    quality: Sequence[int] = (cv2.IMWRITE_PNG_COMPRESSION, 9),
) -> None:
    """Write an RGB picture (H, W, 3); `quality` as OpenCV takes it. Raises BadInput."""
    try:
        written = cv2.imwrite(str(output), picture[..., ::-1], quality)
    except cv2.error:  # it knows no such suffix
        written = False
    if not written:
        raise BadInput(
            f"{output} cannot be written: expected a .png or .jpg in a folder that is there"
        )


def main(
    output: Annotated[Path, typer.Option("-o", "--output", help="The PNG to write.")],
    size: Annotated[int, typer.Option(min=16, help="Pixels of each picture.")] = 384,
) -> None:
    """Write a turnaround and action poses of Ito."""
    picture = sheet(ito.build(), size)
    write_sheet(output, picture)
    print(f"{output}: {picture.shape[1]} x {picture.shape[0]}")


if __name__ == "__main__":
    console.run(main)
