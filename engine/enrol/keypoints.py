"""Files of keypoints: what a user corrects by hand, or another program found.

    {"picture": "her.png", "size": [420, 720], "joints": {"nose": [213.5, 190.0], ...}}

`joints` names joints of `PUPPET_20` in pixels of the picture; a joint that is not named is found.
A plain object of names and places, without the rest, is read too; and what other programs write of
one figure, x, y and a score or visibility for each joint, of which 0 says that it was not found:

    {"keypoints": [x, y, v, ...]}                      COCO, 17 joints; or a list of one of these
    {"people": [{"pose_keypoints_2d": [x, y, c, ...]}]}          OpenPose's, 18 joints
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadKeypoints
from engine.pose.skeleton import COCO_17, OPENPOSE_18, PUPPET_20, Skeleton, convert


def read_keypoints(path: str | Path) -> dict[str, tuple[float, float]]:
    """Joints by name, in pixels of the picture.

    Raises:
        BadKeypoints: the file is missing or no such file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadKeypoints(
            f"{path} cannot be read as JSON ({error}): --save-keypoints writes one to start from"
        ) from error
    figures, skeleton = _figures(content)
    if skeleton is not None:
        return _parse_row(figures, skeleton, str(path))
    if isinstance(content, dict):
        content = content.get("joints", content)
    return parse_keypoints(content, str(path))


def parse_keypoints(content: Any, where: str) -> dict[str, tuple[float, float]]:
    """Check names and numbers; raises BadKeypoints."""
    if not isinstance(content, dict) or not content:
        raise BadKeypoints(f'{where}: expected an object like {{"nose": [213.5, 190.0], ...}}')
    found = {}
    for name, place in content.items():
        if name not in PUPPET_20.joints:
            raise BadKeypoints(
                f"{where}: there is no joint {name!r}; there are {', '.join(PUPPET_20.joints)}"
            )
        if not isinstance(place, list) or len(place) < 2 or not all(map(_is_number, place[:2])):
            raise BadKeypoints(f"{where}: {name} must be [x, y] in pixels, but it is {place!r:.60}")
        found[name] = (float(place[0]), float(place[1]))
    return found


def _figures(content: Any) -> tuple[list[Any], Skeleton | None]:
    """The rows of numbers that another program wrote, and of which joints; None: it is none."""
    if isinstance(content, dict) and isinstance(content.get("people"), list):
        key, figures, skeleton = "pose_keypoints_2d", content["people"], OPENPOSE_18
    else:
        if isinstance(content, dict):
            content = content.get("annotations", [content])
        key, figures, skeleton = "keypoints", content, COCO_17
        if not (isinstance(figures, list) and any(_has(one, key) for one in figures)):
            return [], None
    return [one[key] for one in figures if _has(one, key)], skeleton


def _has(figure: Any, key: str) -> bool:
    return isinstance(figure, dict) and key in figure


def _parse_row(
    figures: list[Any], skeleton: Skeleton, where: str
) -> dict[str, tuple[float, float]]:
    """Of one figure, those joints that were found; raises BadKeypoints."""
    if len(figures) != 1:
        raise BadKeypoints(f"{where} is of {len(figures)} figures: keep the one that is meant")
    count = 3 * len(skeleton.joints)
    row = figures[0]
    if not isinstance(row, list) or len(row) != count or not all(map(_is_number, row)):
        found = f"{len(row)} values" if isinstance(row, list) else repr(row)[:40]
        raise BadKeypoints(
            f"{where}: expected the {count} numbers of {skeleton.name}, x, y and a score of each "
            f"joint, but found {found}"
        )
    known = np.array(row, np.float64).reshape(-1, 3)
    known[known[:, 2] <= 0] = np.nan
    joints = convert(known, skeleton, PUPPET_20)
    places = zip(PUPPET_20.joints, joints.tolist(), strict=True)
    found_ones = {name: [x, y] for name, (x, y, _) in places if math.isfinite(x)}
    return parse_keypoints(found_ones, where)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        and abs(value) < 1e6
    )  # fmt: skip


def keypoints_json(
    joints: NDArray[np.floating], picture: str, size_wh: tuple[int, int]
) -> dict[str, object]:
    """Joints (20, 2 or more) px as the content of a file."""
    return {
        "picture": picture,
        "size": list(size_wh),
        "joints": {
            name: [round(float(x), 1), round(float(y), 1)]
            for name, (x, y) in zip(PUPPET_20.joints, joints[:, :2], strict=True)
        },
    }
