"""Which of several people is the performer."""

from collections.abc import Sequence

import numpy as np

from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33

_TORSO = [MEDIAPIPE_33.index(joint) for joint in ("l_shoulder", "r_shoulder", "l_hip", "r_hip")]
_REACH = 1.0
"""A person moves less than this many torso lengths between two pictures that show them."""


class Follower:
    """Follows one person through pictures of several.

    It begins with the largest. From then on it takes whoever is nearest to where the followed one
    was, and nobody else, until that one has been away for `patience_s`.
    """

    def __init__(self, patience_s: float = 1.0) -> None:
        self._patience_ns = round(patience_s * 1e9)
        self._seen: tuple[Pose, int] | None = None

    def choose(self, people: Sequence[Pose], time_ns: int) -> Pose | None:
        """The followed one, or None where they are not among `people`."""
        if self._seen is not None and time_ns - self._seen[1] > self._patience_ns:
            self._seen = None
        if not people:
            return None
        if self._seen is None:
            chosen = max(people, key=_size_px)
        else:
            last = self._seen[0]
            chosen = min(people, key=lambda pose: _distance_px(pose, last))
            if _distance_px(chosen, last) > _REACH * _size_px(last):
                return None
        self._seen = (chosen, time_ns)
        return chosen


def _size_px(pose: Pose) -> float:
    torso = pose.keypoints[_TORSO]
    return float(np.linalg.norm(torso[:2].mean(axis=0) - torso[2:].mean(axis=0))) + float(
        np.linalg.norm(torso[0] - torso[1])
    )


def _distance_px(pose: Pose, other: Pose) -> float:
    return float(
        np.linalg.norm(pose.keypoints[_TORSO].mean(axis=0) - other.keypoints[_TORSO].mean(axis=0))
    )
