"""What is in a data set: counts, views, poses, proportions, and how far test is from training."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.pose.skeleton import PUPPET_20
from training.dataset.reader import Dataset

J: Final = {name: i for i, name in enumerate(PUPPET_20.joints)}
_BONE: Final = {
    (PUPPET_20.joints[a], PUPPET_20.joints[b]): i for i, (a, b) in enumerate(PUPPET_20.bones)
}
_NEAREST_OF: Final = 4000
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one split. Arrays have a row for each of the N samples or C characters."""

    size: int
    characters: tuple[str, ...]
    kinds: Mapping[str, int]
    motions: Mapping[str, int]  # samples of each
    joints: NDArray[np.float32]  # (N, 20, 4) px
    visible: NDArray[np.bool_]  # (N, 20)
    covered: F64  # (N,) share of the picture
    bones: F64  # (C, 19) px

    @property
    def samples(self) -> int:
        """How many pictures."""
        return len(self.joints)

    def facing(self) -> F64:
        """(N,) degrees that the hips are turned to the body's left, in (-180, 180]; 0 is front."""
        across = self.joints[:, J["l_hip"], :3] - self.joints[:, J["r_hip"], :3]
        return np.degrees(np.arctan2(across[:, 2], across[:, 0])).astype(np.float64)

    def bend(self, above: str, joint: str, below: str) -> F64:
        """(N,) degrees of a bend in 3D; 0 is straight."""
        here = self.joints[:, J[joint], :3]
        a = here - self.joints[:, J[above], :3]
        b = self.joints[:, J[below], :3] - here
        cosine = (a * b).sum(axis=1) / np.maximum(
            np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-6
        )
        return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).astype(np.float64)

    def raised(self) -> F64:
        """(N,) degrees of the higher upper arm from hanging (0) over level (90) to upright."""
        down = np.array([0.0, 1.0, 0.0])
        angles = []
        for side in "lr":
            arm = self.joints[:, J[f"{side}_elbow"], :3] - self.joints[:, J[f"{side}_shoulder"], :3]
            cosine = arm @ down / np.maximum(np.linalg.norm(arm, axis=1), 1e-6)
            angles.append(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
        return np.maximum(*angles).astype(np.float64)

    def proportions(self) -> dict[str, F64]:
        """(C,) lengths over the length of the torso, neck to hips."""
        length = lambda a, b: self.bones[:, _BONE[a, b]]  # noqa: E731
        torso = 0.5 * (length("neck", "r_hip") + length("neck", "l_hip"))
        return {
            "shoulders": (length("neck", "r_shoulder") + length("neck", "l_shoulder")) / torso,
            "arm": (length("r_shoulder", "r_elbow") + length("r_elbow", "r_wrist")) / torso,
            "leg": (length("r_hip", "r_knee") + length("r_knee", "r_ankle")) / torso,
            "neck to nose": length("neck", "nose") / torso,
        }

    def normalised(self) -> F64:
        """(N, 60) joints relative to the neck in lengths of the torso: the pose, not the size."""
        neck = self.joints[:, J["neck"], None, :3]
        hips = 0.5 * (self.joints[:, J["r_hip"], :3] + self.joints[:, J["l_hip"], :3])
        torso = np.linalg.norm(hips - neck[:, 0], axis=1)
        relative = (self.joints[..., :3] - neck) / np.maximum(torso, 1e-6)[:, None, None]
        return relative.reshape(len(relative), -1).astype(np.float64)


def measure(
    dataset: Dataset, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Statistics:
    """Read every shard of a split once. Raises DatasetError for a damaged or an empty one."""
    kinds: Counter[str] = Counter()
    motions: Counter[str] = Counter()
    joints, visible, covered, bones = [], [], [], []
    size = 0
    for index in range(len(dataset)):
        samples = dataset.samples(index)
        size = len(samples[0].picture)
        for sample in samples:
            kinds[sample.truth["kind"]] += 1
            if sample.truth["kind"] == "motion":
                motions[sample.truth["name"]] += 1
            joints.append(sample.truth["joints"])
            visible.append(sample.truth["visible"])
            covered.append(float((sample.picture[..., 3] > 127).mean()))
        bones.append(np.median([sample.truth["bone_lengths"] for sample in samples], axis=0))
        on_progress(index + 1, len(dataset))
    return Statistics(
        size, dataset.names, kinds, motions, np.array(joints, np.float32).reshape(-1, 20, 4),
        np.array(visible, bool).reshape(-1, 20), np.array(covered), np.array(bones).reshape(-1, 19),
    )  # fmt: skip


def nearest(test: Statistics, train: Statistics, seed: int = 0) -> F64:
    """(M,) of a random part of the test poses the distance to the nearest of as many training ones.

    The root of the mean square over joints, in lengths of the torso.
    """
    rng = np.random.default_rng(seed)
    a, b = (
        poses[rng.permutation(len(poses))[:_NEAREST_OF]]
        for poses in (test.normalised(), train.normalised())
    )
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * a @ b.T
    return np.sqrt(np.maximum(squares.min(axis=1), 0.0) / 20.0)


def joint_density(statistics: Statistics, side: int = 256) -> NDArray[np.uint8]:
    """(side, side, 3) RGB: where wrists (red), ankles (blue) and noses (green) are; white none."""
    picture = np.zeros((side, side, 3))
    groups = ((0, ("r_wrist", "l_wrist")), (2, ("r_ankle", "l_ankle")), (1, ("nose",)))
    for channel, names in groups:
        points = statistics.joints[:, [J[name] for name in names], :2].reshape(-1, 2)
        points = points * (side / statistics.size)
        counts = np.histogram2d(points[:, 1], points[:, 0], bins=side, range=[[0, side]] * 2)[0]
        level = np.log1p(counts) / max(float(np.log1p(counts).max()), 1e-9)
        for other in range(3):
            if other != channel:
                picture[..., other] = np.maximum(picture[..., other], level)
    return np.clip(255.0 * (1.0 - picture) + 0.5, 0, 255).astype(np.uint8)
