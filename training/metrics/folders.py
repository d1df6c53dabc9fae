"""Pictures of a method, as files."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.errors import BadInput


def read_pair(made: Path, truth: Path) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """The PNG files of two folders, in the order of their names, which must be the same.

    Raises BadInput for names that differ, or none; see `read_picture`.
    """
    names, wanted = (sorted(path.name for path in folder.glob("*.png")) for folder in (made, truth))
    if names != wanted or not names:
        odd = sorted(set(names) ^ set(wanted))
        raise BadInput(
            f"expected PNG files of the same names in {made} and {truth}, found {len(names)} and "
            f"{len(wanted)}" + (f", of which {odd[0]} is in one only" if odd else "")
        )
    return [read_picture(made / n) for n in names], [read_picture(truth / n) for n in names]


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(H, W, 4) premultiplied RGBA of a PNG file with alpha, or of an opaque one.

    Raises BadInput for what is not a picture of 8 bits.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype != np.uint8:
        raise BadInput(f"expected a PNG file of 8 bits, but {path} is none")
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    if picture.shape[2] == 3:
        picture = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    straight = picture[..., 2::-1].astype(np.uint16)
    alpha = picture[..., 3:]
    return np.dstack([((straight * alpha + 127) // 255).astype(np.uint8), alpha])


def read_joints(path: Path) -> NDArray[np.floating]:
    """Joints (N, 20, 3) or more of a .npy file.

    Raises BadInput for what is none.
    """
    try:
        joints = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"expected a .npy file of joints, but {path} is none: {error}") from error
    if joints.ndim != 3 or joints.shape[1] != 20 or joints.shape[2] < 3:
        raise BadInput(f"expected joints (N, 20, 3) or more in {path}, found {joints.shape}")
    return np.asarray(joints, np.float64)
