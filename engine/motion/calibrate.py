"""What is known of the person before the camera: scale, bone lengths, which way is level.

The lengths are learnt while the person moves. World landmarks make that possible: a foreshortened
arm is not a short one. `calibrate` learns them anew from a person who stands straight.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.motion import _kernels_person as kernels
from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20, joint_map

SEGMENTS: Final = (
    "shoulder", "torso", "hip", "upper_arm", "forearm", "thigh", "shin", "foot", "neck", "head",
)  # fmt: skip
"""Both sides alike: half the shoulders' width, neck to the middle of the hips, half the hips'
width, ..., ankle to toe, neck to the middle of the ears, half the distance of the ears."""

MID_HIP, MID_EAR = 20, 21

# (segment, side, end): rows of `Person.body`; the right side first.
SEGMENT_ENDS: Final = np.array(
    [
        [(1, 2), (1, 5)],
        [(1, MID_HIP), (1, MID_HIP)],
        [(MID_HIP, 8), (MID_HIP, 11)],
        [(2, 3), (5, 6)],
        [(3, 4), (6, 7)],
        [(8, 9), (11, 12)],
        [(9, 10), (12, 13)],
        [(10, 18), (13, 19)],
        [(1, MID_EAR), (1, MID_EAR)],
        [(MID_EAR, 16), (MID_EAR, 17)],
    ],
    dtype=np.int64,
)

# An adult of 1.7 m as MediaPipe's landmarks see one, in metres, in the order of SEGMENTS. The foot
# is a real one: the world landmarks' are a fifth shorter than feet that are seen from the side.
PRIOR_M: Final = np.array([0.165, 0.485, 0.105, 0.265, 0.235, 0.40, 0.39, 0.20, 0.22, 0.066])
PRIOR_PITCH: Final = 0.1  # rad: a level head's nose lies a little below its ears
PRIOR_LEAN: Final = 0.28  # rad: the ears are ahead of the shoulders
_PRIOR_EVIDENCE_S = 0.4
CALIBRATION_S: Final = 1.2  # of frames in which the person is well seen


def _landmark_pairs() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """MediaPipe landmarks whose mean is each row of `Person.body`, and the same of a mirror."""
    pairs = joint_map(MEDIAPIPE_33, PUPPET_20)
    extra = [[MEDIAPIPE_33.index(f"{side}_{j}") for side in "rl"] for j in ("hip", "ear")]
    mirrored = pairs[PUPPET_20.mirror()]
    return tuple(  # type: ignore[return-value]
        np.ascontiguousarray(np.vstack([rows, extra]), dtype=np.int64) for rows in (pairs, mirrored)
    )


_PAIRS, _MIRRORED_PAIRS = _landmark_pairs()


class Person:
    """One person, as measured so far. All state is allocated once.

    Attributes:
        body: (22, 4) of the latest frame: the joints of `PUPPET_20` in picture pixels (x, y, z
            away from the camera, score), the middle of the hips, the middle of the ears.
        lengths_m: (10,) metres, in the order of `SEGMENTS`.
        head_axes: (2, 3) unit vectors of the head: from its right to its left, and forward.
    """

    def __init__(self) -> None:
        self.body: NDArray[np.float64] = np.zeros((22, 4))
        self.lengths_m: NDArray[np.float64] = PRIOR_M.copy()
        self.head_axes: NDArray[np.float64] = np.zeros((2, 3))
        self._evidence_s: NDArray[np.float64] = np.zeros(len(SEGMENTS))
        self._collected: NDArray[np.float64] = np.zeros((kernels.COLLECTED, 2))
        self._scalars: NDArray[np.float64] = np.zeros(kernels.SCALARS)
        self.reset()

    @property
    def px_per_m(self) -> float:
        """Pixels of the picture per metre, at the person; NaN before anybody was seen."""
        return float(self._scalars[kernels.PX_PER_M])

    @property
    def calibrating(self) -> bool:
        """Whether a calibration that was asked for still waits for frames."""
        return bool(self._scalars[kernels.CALIBRATION_LEFT_S] > 0)

    @property
    def turned(self) -> bool:
        """Whether left and right have just changed places for good: ease over to it.

        Estimators take a back for a front now and then. Such a jump is undone for
        `SWAP_S` of the kernels, and believed if it lasts.
        """
        return bool(self._scalars[kernels.TURNED] > 0)

    def calibrate(self) -> None:
        """Measure anew from the next `CALIBRATION_S` seconds in which the person is well seen.

        For a person who stands straight and looks into the camera: bone lengths become what they
        are then, and the head is then level.
        """
        self._collected.fill(0.0)
        self._scalars[kernels.CALIBRATION_LEFT_S] = CALIBRATION_S

    def reset(self) -> None:
        """Forget everything: the next frame may show somebody else."""
        self.body.fill(0.0)
        self.lengths_m[:] = PRIOR_M
        self.head_axes[:] = (1.0, 0.0, 0.0), (0.0, 0.0, -1.0)
        self._evidence_s.fill(_PRIOR_EVIDENCE_S)
        self._collected.fill(0.0)
        self._scalars.fill(0.0)
        self._scalars[kernels.PX_PER_M] = np.nan
        self._scalars[kernels.PITCH] = PRIOR_PITCH
        self._scalars[kernels.LEAN] = PRIOR_LEAN

    def observe(
        self, pose: Pose, size_wh: tuple[int, int], elapsed_s: float, *, mirror: bool = False
    ) -> None:
        """Take in one pose, `elapsed_s` after the last; `mirror` sees it as in a mirror."""
        kernels.observe(
            np.ascontiguousarray(pose.keypoints, np.float32),
            np.ascontiguousarray(pose.scores, np.float32),
            np.ascontiguousarray(pose.world, np.float32),
            _MIRRORED_PAIRS if mirror else _PAIRS,
            size_wh[0], size_wh[1], mirror, elapsed_s,
            SEGMENT_ENDS, PRIOR_M, PRIOR_PITCH, PRIOR_LEAN,
            self.body, self._scalars, self.lengths_m, self._evidence_s, self._collected,
            self.head_axes,
        )  # fmt: skip

    def lose(self) -> None:
        """Nobody was there: what is seen next may be anywhere."""
        self.body[:, 3] = 0.0

    def joints(self) -> NDArray[np.float32]:
        """(20, 4) float32 joints of the latest frame, for `draw_overlay` on its picture."""
        return self.body[:20].astype(np.float32)
