"""Keypoint fidelity: does an estimator find the pose that was asked for in the picture?"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.pose.anime import AnimePose
from training.errors import BadInput
from training.estimator.measure import head_size, pckh
from training.metrics.pictures import on_white


class KeypointFidelity:
    """PCKh of the estimator of drawn characters' poses against the joints that were asked for.

    It is wrong now and then on perfect pictures too: what it reaches on the true pictures is the
    ceiling, and belongs beside the figure.

    Args:
        estimator: another than the one that ships.
        careful: see `AnimePose.estimate`; slower, and right more often.
    """

    def __init__(self, estimator: AnimePose | None = None, *, careful: bool = False) -> None:
        self._estimator = estimator or AnimePose()
        self._careful = careful

    def __call__(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        joints: NDArray[np.floating],
        visible: NDArray[np.bool_] | None = None,
        share: float = 0.5,
    ) -> float:
        """The share of keypoints found within `share` head sizes, in [0, 1]; NaN of none.

        Args:
            pictures: (N,) premultiplied RGBA (S, S, 4).
            joints: (N, 20, 3+) asked for: x, y, z px.
            visible: (N, 20) which of them count; all within the picture where it is not told.
            share: of `training.estimator.measure.head_size`.
        """
        if joints.shape[:2] != (len(pictures), 20):
            raise BadInput(f"expected joints ({len(pictures)}, 20, 3+), found {joints.shape}")
        counted = np.stack(
            [
                ((j[:, :2] >= 0) & (j[:, :2] < np.array(p.shape[1::-1]))).all(axis=-1)
                for p, j in zip(pictures, joints, strict=True)
            ]
        )
        if visible is not None:
            counted &= visible
        found = np.stack(
            [self._estimator.estimate(on_white(p), careful=self._careful) for p in pictures]
        )
        return pckh(found, joints, head_size(joints), counted, share)
