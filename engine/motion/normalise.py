"""Structure normalisation: a person's pose on a character's body.

First paper, section 3.3, eq. 7 to 10: from the neck outwards each limb is scaled about its parent
joint by the ratio of the character's bone to the person's; and of section 3.4 the head, which is
turned as a whole. Added: arms that are clear of the person's head stay clear of the character's,
which is mostly larger (`_kernels_clear`). For live use: the feet stand on a floor, and joints that
are not seen are held, then eased to rest, so that the character is always whole.
"""

import numpy as np
from numpy.typing import NDArray

from engine.motion import _kernels as kernels
from engine.motion.calibrate import SEGMENT_ENDS, Person
from engine.motion.proportions import CharacterSkeleton
from engine.pose.pose import Pose
from engine.pose.skeleton import PUPPET_20

__all__ = ["CharacterSkeleton", "Normaliser"]

_ROWS = 21  # offsets: 20 joints, where row 1 is that of the root, and the ground
_RECALIBRATION_S = 0.3  # while calibrating, where the person stands is learnt in about this time
_MAX_STEP_S = 0.1  # a longer gap between frames teaches no more than this

# The parent that each joint's offset is relative to: the head is one piece on the neck.
_PARENTS = np.full(20, -1, dtype=np.int64)
for _parent, _child in PUPPET_20.bones:
    _PARENTS[_child] = _parent
_PARENTS[[0, 14, 15, 16, 17]] = 1


def _segment_lengths(character: CharacterSkeleton) -> NDArray[np.float64]:
    """(10, 2) px of the character's segments; right, left."""
    bone = {
        ends: float(length)
        for ends, length in zip(PUPPET_20.bones, character.bone_lengths, strict=True)
    }
    rest = character.rest.astype(np.float64)
    half_hips = 0.5 * float(np.linalg.norm(rest[8, :3] - rest[11, :3]))
    to_hip = 0.5 * (bone[1, 8] + bone[1, 11])
    half_hips = min(half_hips, 0.9 * to_hip)
    torso = float(np.sqrt(to_hip**2 - half_hips**2))
    neck = float(np.linalg.norm(0.5 * (character.head[3] + character.head[4])))
    ears = 0.5 * float(np.linalg.norm(character.head[3] - character.head[4]))
    return np.array(
        [
            (bone[1, 2], bone[1, 5]),
            (torso, torso),
            (half_hips, half_hips),
            (bone[2, 3], bone[5, 6]),
            (bone[3, 4], bone[6, 7]),
            (bone[8, 9], bone[11, 12]),
            (bone[9, 10], bone[12, 13]),
            (bone[10, 18], bone[13, 19]),
            (neck, neck),
            (ears, ears),
        ]
    )


class Normaliser:
    """Turns poses into the joints of a character, frame by frame.

    Keeps the person's measures and what was seen last; allocates only what it returns. Not
    thread-safe: one thread calls it, though `calibrate`, `reset` and `mirror` may be used from
    another between frames.

    Args:
        character: whose proportions to use.
        mirror: see the person as in a mirror, as a webcam's user expects.
        size: of the character's picture, pixels; the figure is kept inside.
        clear_head: keep the arms off the head where the person's are; see `_kernels_clear`.
    """

    def __init__(
        self,
        character: CharacterSkeleton,
        *,
        mirror: bool = False,
        size: int = 256,
        clear_head: bool = True,
    ) -> None:
        self.character = character
        self.size = size
        self.person = Person()
        self._mirror = mirror
        self._clear_head = clear_head
        self._turn = False  # the mirror was toggled: ease over to the other side
        self._character_px = _segment_lengths(character)
        self._head = character.head.astype(np.float64)
        self._rest = np.ascontiguousarray(character.rest[:, :3], dtype=np.float64)
        self._rest_offsets = np.zeros((_ROWS, 3))
        for joint, parent in enumerate(_PARENTS):
            if parent >= 0:
                self._rest_offsets[joint] = self._rest[joint] - self._rest[parent]
        self._seen = np.zeros(_ROWS, dtype=np.bool_)
        self._root = np.zeros(kernels.SCALARS)
        self._measured = np.zeros((_ROWS, 3))
        self._unseen_s = np.zeros(_ROWS)
        self._held = np.zeros((_ROWS, 3))
        self._seen_s = np.zeros(_ROWS)
        self._eased = np.zeros((_ROWS, 3))
        self.reset()

    @property
    def mirror(self) -> bool:
        """Whether the person is seen as in a mirror; setting it eases over to the other side."""
        return self._mirror

    @mirror.setter
    def mirror(self, on: bool) -> None:
        self._turn = self._turn or on != self._mirror
        self._mirror = on

    def calibrate(self) -> None:
        """Measure the person anew from about the next 1.2 s, while they stand straight."""
        self.person.calibrate()

    def reset(self) -> None:
        """Forget the person and start at rest, as if new. The mirror stays as it is."""
        self.person.reset()
        self._seen.fill(False)
        self._root.fill(0.0)
        self._forget_place()
        self._root[kernels.STANCE] = 0.5
        self._root[kernels.ON_FLOOR] = 1.0
        self._measured.fill(0.0)
        self._unseen_s.fill(1e6)
        self._held[:] = self._eased[:] = self._rest_offsets
        self._seen_s.fill(1e6)
        self._last_ns: int | None = None

    def __call__(
        self, pose: Pose | None, size_wh: tuple[int, int], time_ns: int
    ) -> NDArray[np.float32]:
        """Normalise one frame.

        Args:
            pose: the person, or None where nobody is there.
            size_wh: of the picture that the pose was found in, pixels.
            time_ns: when it was taken; a time before the last one counts as the same moment.

        Returns:
            (20, 4) new array of `PUPPET_20`: x, y px in the character's picture, z px relative to
            the neck (away from the camera is positive), and scores, which are all 1.
        """
        elapsed_s = 0.0 if self._last_ns is None else max(0, time_ns - self._last_ns) * 1e-9
        self._last_ns = time_ns
        person = self.person
        settle = _RECALIBRATION_S if person.calibrating else 0.0
        if pose is not None:
            if self._turn:
                person.lose()
                self._forget_place()
            person.observe(pose, size_wh, min(elapsed_s, _MAX_STEP_S), mirror=self._mirror)
            if self._turn or person.turned:
                np.maximum(self._unseen_s, 1e-9, out=self._unseen_s)  # as if all just appeared
                self._turn = False
        else:
            person.lose()
        joints = np.empty((20, 4), np.float32)
        kernels.retarget(
            person.body, pose is not None, self._clear_head, person.px_per_m, elapsed_s,
            person.lengths_m, self._character_px, SEGMENT_ENDS, self._head, person.head_axes,
            self._rest, self._rest_offsets, _PARENTS, self.character.floor_y, self.size, settle,
            self._seen, self._root, self._measured, self._unseen_s, self._held, self._seen_s,
            self._eased, joints,
        )  # fmt: skip
        return joints

    def _forget_place(self) -> None:
        self._root[[kernels.FLOOR_Y, kernels.NECK_X, kernels.HIPS_X]] = np.nan
