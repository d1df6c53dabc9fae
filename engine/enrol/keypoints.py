"""Files of keypoints: what a user corrects by hand, or another program found.

    {"picture": "her.png", "size": [420, 720], "joints": {"nose": [213.5, 190.0], ...}}

`joints` names joints of `PUPPET_20` in pixels of the picture; a joint that is not named is found.
A plain object of names and places, without the rest, is read too.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadKeypoints
from engine.pose.skeleton import PUPPET_20


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
        if (
            not isinstance(place, list)
            or len(place) < 2
            or not all(
                isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
                and abs(v) < 1e6
                for v in place[:2]
            )
        ):  # fmt: skip
            raise BadKeypoints(f"{where}: {name} must be [x, y] in pixels, but it is {place!r:.60}")
        found[name] = (float(place[0]), float(place[1]))
    return found


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
