"""Phrases of eight counts from which dances are put together.

A phrase is a list of keys on the counts 1 to 8 (a half count is an "and"). A key is a whole
posture: what is not said is neutral, so every line can be read by itself. Told for one side; a
dance may mirror any phrase.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.motion.arms import ARMS
from training.motion.posture import Arm, Foot, Posture, arm_along, arm_reaching, arm_towards

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Key:
    """A posture reached on `count` and held for `hold` counts."""

    count: float
    posture: Posture
    hold: float


Phrase = Callable[[], list[Key]]

# Arms of the choreographies beside those of the pose library; for the left, as there.
_MORE: dict[str, Arm] = {
    "swing out": arm_towards((0.8, -0.55, 0.2), (0.95, -0.2, 0.25)),
    "swing in": arm_towards((-0.1, -0.8, 0.6), (-0.75, -0.2, 0.65)),
    "sweep up": arm_towards((0.6, 0.8, 0.2), (0.75, 0.7, 0.15)),
    "sweep over": arm_towards((0.25, 0.95, 0.35), (-0.45, 0.95, 0.3)),
    "at you": arm_towards((0.15, -0.1, 1.0), (0.0, 0.0, 1.0)),
    "wave out": arm_towards((0.75, 0.15, 0.25), (0.85, 1.0, 0.25)),
    "wave in": arm_towards((0.8, 0.1, 0.25), (-0.25, 1.0, 0.25)),
    "wing up": arm_towards((0.95, 0.25, 0.1), (1.0, -0.25, 0.1)),
    "wing down": arm_towards((0.95, -0.3, 0.1), (1.0, 0.4, 0.1)),
    "hug": arm_reaching((-0.42, -0.30, 0.40), (0.9, -0.7, 0.3)),
    "bow": arm_reaching((-0.02, -0.74, 0.56), (1.0, -0.3, -0.2)),
    "low hip": arm_reaching((0.14, -0.60, 0.12), (1.0, 0.2, -0.5)),
    "flat": arm_along((1.0, 0.12, 0.15)),
    "cheer": arm_towards((0.75, -0.45, 0.35), (0.08, 1.0, 0.3)),
    "mic": arm_reaching((-0.26, 0.06, 0.44), (0.8, -1.0, 0.2)),
    "shoot": arm_along((0.45, -0.5, 0.9)),
}


def _arm(name: str) -> Arm:
    return _MORE[name] if name in _MORE else ARMS[name]


def _key(
    count: float,
    left: str = "hang loose",
    right: str | None = None,
    *,
    hold: float = 0.2,
    step: tuple[float, float] = (0.05, 0.05),
    depth: tuple[float, float] = (0.0, 0.0),
    lift: tuple[float, float] = (0.0, 0.0),
    heel: tuple[float, float] = (0.0, 0.0),
    turn: tuple[float, float] = (0.18, 0.18),
    shift: Triple = (0.0, -0.02, 0.0),
    hips: Triple = (0.0, 0.0, 0.0),
    torso: Triple = (0.0, 0.0, 0.0),
    head: Triple = (0.0, 0.0, 0.0),
    shrug: tuple[float, float] = (0.0, 0.0),
    facing: float = 0.0,
    jump: float = 0.0,
) -> Key:
    """A key in a choreographer's words; pairs are (left, right), `right` arm defaults to `left`.

    `step` (outwards), `depth` (forwards) and `lift` place the feet in leg lengths, `heel` lifts
    heels and `turn` turns toes out (radians); triples are those of a Posture; `facing` is in turns.
    """
    posture = Posture(
        facing=2.0 * np.pi * facing,
        jump=jump,
        shift=np.array(shift),
        hips=np.array(hips),
        torso=np.array(torso),
        head=np.array(head),
        left_arm=_arm(left),
        right_arm=_arm(left if right is None else right),
        left_clavicle=np.array([shrug[0], 0.0]),
        right_clavicle=np.array([shrug[1], 0.0]),
        left_foot=Foot(np.array([step[0], lift[0], depth[0]]), turn[0], heel[0]),
        right_foot=Foot(np.array([step[1], lift[1], depth[1]]), turn[1], heel[1]),
    )
    return Key(count, posture, hold)


def _echo(keys: Sequence[Key], counts: float) -> list[Key]:
    """The same keys mirrored and later."""
    return [Key(k.count + counts, k.posture.mirrored(), k.hold) for k in keys]


def step_touch() -> list[Key]:
    """Side steps, the arms swinging along, a clap on every touch; then larger."""
    low = [
        _key(1, "swing out", "swing in", step=(0.30, 0.05), shift=(0.20, -0.05, 0.0),
             hips=(0.0, 0.1, -0.05), torso=(0.04, 0.2, 0.10), head=(0.0, 0.15, 0.05)),
        _key(2, "clap", step=(0.30, -0.16), heel=(0.0, 0.55), shift=(0.24, -0.02, 0.0),
             hips=(0.0, -0.05, -0.10), torso=(0.0, -0.1, 0.10), head=(0.0, -0.05, -0.08)),
    ]  # fmt: skip
    high = [
        _key(5, "sweep up", "sweep over", step=(0.30, 0.05), shift=(0.20, -0.04, 0.0),
             hips=(0.0, 0.1, -0.08), torso=(-0.05, 0.15, 0.16), head=(-0.15, 0.2, 0.05),
             shrug=(0.2, 0.2)),
        _key(6, "clap high", step=(0.30, -0.16), heel=(0.0, 0.55), shift=(0.24, -0.01, 0.0),
             hips=(0.0, 0.0, -0.10), torso=(-0.04, 0.0, 0.08), shrug=(0.3, 0.3)),
    ]  # fmt: skip
    return [*low, *_echo(low, 2), *high, *_echo(high, 2)]


def points() -> list[Key]:
    """Points to the sky, left and right, over a popped hip; then crossing, opening, a heart."""
    side = [
        _key(1, "point up", "on hip", hold=0.3, step=(0.20, 0.20), heel=(0.0, 0.45),
             shift=(0.14, -0.04, 0.0), hips=(0.0, 0.1, -0.16), torso=(0.0, 0.0, 0.24),
             head=(-0.15, 0.4, 0.0), shrug=(0.3, 0.0)),
        _key(2, "hug", "on hip", step=(0.20, 0.20), shift=(0.02, -0.06, 0.0),
             torso=(0.10, -0.15, 0.0), head=(0.15, -0.1, 0.0)),
    ]  # fmt: skip
    return [
        *side,
        *_echo(side, 2),
        _key(5, "crossed", "crossed under", step=(0.12, 0.12), shift=(0.0, -0.10, -0.03),
             torso=(0.22, 0.0, 0.0), head=(0.25, 0.0, 0.0)),
        _key(6, "v up", step=(0.12, 0.12), shift=(0.0, -0.01, 0.0), torso=(-0.10, 0.0, 0.0),
             head=(-0.15, 0.0, 0.0), shrug=(0.35, 0.35), hold=0.1),
        _key(7.1, "heart high", step=(0.12, 0.12), shift=(0.09, -0.02, 0.0), hips=(0, 0, -0.12),
             torso=(0.0, 0.0, 0.22), head=(0.0, 0.0, 0.15), shrug=(0.3, 0.3)),
        _key(8, "heart high", step=(0.12, 0.12), shift=(-0.09, -0.02, 0.0), hips=(0, 0, 0.12),
             torso=(0.0, 0.0, -0.22), head=(0.0, 0.0, -0.15), shrug=(0.3, 0.3)),
    ]  # fmt: skip


def knees() -> list[Key]:
    """Knee lifts against the opposite arm, arms up, and a kick to the side."""
    side = [
        _key(1, "run back", "curl", lift=(0.42, 0.0), depth=(0.22, 0.0), step=(0.03, 0.05),
             shift=(-0.07, -0.02, 0.0), hips=(-0.10, 0.1, 0.06), torso=(0.12, 0.30, -0.05),
             head=(0.05, -0.2, 0.0)),
        _key(2, "hold", "hold", step=(0.06, 0.06), shift=(0.0, -0.07, 0.0),
             torso=(0.08, 0.0, 0.0)),
    ]  # fmt: skip
    return [
        *side,
        *_echo(side, 2),
        _key(5, "goalpost", lift=(0.46, 0.0), depth=(0.22, 0.0), step=(0.06, 0.05),
             shift=(-0.07, -0.01, 0.0), hips=(-0.12, 0.0, 0.08), torso=(0.05, 0.0, -0.05),
             shrug=(0.2, 0.2)),
        _key(6, "straight up", step=(0.06, 0.06), shift=(0.0, -0.06, 0.0), torso=(-0.06, 0, 0),
             head=(-0.1, 0.0, 0.0), shrug=(0.3, 0.3)),
        _key(7, "flat", "flat", step=(0.06, 0.52), lift=(0.0, 0.22), shift=(0.09, -0.01, 0.0),
             hips=(0.0, 0.0, 0.12), torso=(0.0, 0.0, 0.16), head=(0.0, -0.3, 0.0)),
        _key(8, "clap", step=(0.05, 0.10), shift=(0.0, -0.07, 0.0), torso=(0.12, 0.0, 0.0)),
    ]  # fmt: skip


def spin() -> list[Key]:
    """A full turn with the arms drawn in, opened at its end; then hands on hips and side leans."""
    around = [
        _key(2.5 + 0.5 * i, "crossed", "crossed under", hold=0.0, facing=turn, step=(0.0, 0.0),
             lift=(0.05, 0.0) if i % 2 else (0.0, 0.05), heel=(0.3, 0.3), turn=(0.1, 0.1),
             shift=(0.0, -0.01, 0.0), head=(0.0, look, 0.0))
        for i, (turn, look) in enumerate(((0.25, -0.6), (0.52, 0.3), (0.79, 0.5)))
    ]  # fmt: skip
    lean = [
        _key(5, "low hip", "on hip", hold=0.4, facing=1.0, step=(0.16, 0.16), heel=(0.0, 0.3),
             shift=(-0.10, -0.03, 0.0), hips=(0.0, 0.0, 0.10), torso=(0.0, 0.05, 0.34),
             head=(0.0, 0.0, 0.12)),
        _key(6, "on hip", facing=1.0, step=(0.16, 0.16), shift=(0.0, -0.08, 0.0)),
    ]  # fmt: skip
    return [
        _key(1, "swing in", "swing out", step=(0.12, 0.12), shift=(-0.08, -0.06, 0.0),
             hips=(0.0, -0.12, 0.0), torso=(0.05, -0.40, 0.0), head=(0.0, 0.45, 0.0)),
        _key(2, "swing out", "swing in", step=(0.05, 0.02), shift=(0.02, -0.03, 0.0), hold=0.0,
             facing=0.03, torso=(0.05, 0.25, 0.0), heel=(0.0, 0.4)),
        *around,
        _key(4.25, "flat", facing=1.0, step=(0.16, 0.16), shift=(0.0, -0.06, 0.0),
             torso=(-0.06, 0.0, 0.0), head=(-0.08, 0.0, 0.0), hold=0.1, shrug=(0.15, 0.15)),
        *lean,
        _key(7, "on hip", "low hip", hold=0.4, facing=1.0, step=(0.16, 0.16), heel=(0.3, 0.0),
             shift=(0.10, -0.03, 0.0), hips=(0.0, 0.0, -0.10), torso=(0.0, -0.05, -0.34),
             head=(0.0, 0.0, -0.12)),
        _key(8, "on hip", facing=1.0, step=(0.16, 0.16), shift=(0.0, -0.06, 0.0)),
    ]  # fmt: skip


def body_wave() -> list[Key]:
    """A body roll from head to knees, then a wave through the arms from side to side."""
    step = (0.12, 0.12)
    roll = [
        _key(1, "back", step=step, shift=(0, -0.02, -0.05), torso=(-0.15, 0, 0),
             head=(-0.25, 0, 0), hold=0.0),
        _key(1.5, "hang loose", step=step, shift=(0, -0.04, -0.08), hips=(0.25, 0, 0),
             torso=(0.10, 0, 0), head=(0.2, 0, 0), hold=0.0),
        _key(2, "run back", step=step, shift=(0, -0.12, -0.02), hips=(0.05, 0, 0),
             torso=(0.40, 0, 0), head=(0.1, 0, 0), hold=0.0),
        _key(2.5, "hang loose", step=step, shift=(0, -0.07, 0.07), hips=(-0.2, 0, 0),
             torso=(0.10, 0, 0), head=(-0.1, 0, 0), hold=0.0),
    ]  # fmt: skip
    wave = [
        ("wing down", "flat", 0.10), ("wing up", "flat", 0.04), ("flat", "wing up", -0.04),
        ("flat", "wing down", -0.10), ("flat", "wing up", -0.04), ("wing up", "flat", 0.04),
    ]  # fmt: skip
    waves = [
        _key(5 + 0.5 * i, left, right, step=(0.2, 0.2), shift=(x, -0.05, 0.0), hold=0.0,
             torso=(0.0, 0.0, 1.2 * x), head=(0.0, 2.0 * x, 0.0))
        for i, (left, right, x) in enumerate(wave)
    ]  # fmt: skip
    return [
        *roll,
        _key(3, "hold out", step=step, shift=(0.0, -0.02, 0.0), torso=(-0.05, 0, 0), hold=0.4),
        _key(4, "flat", step=(0.2, 0.2), shift=(0.0, -0.05, 0.0), hold=0.2),
        *waves,
        _key(8, "opposite shoulder", "on hip", step=(0.2, 0.2), shift=(0.08, -0.04, 0.0),
             torso=(0.04, -0.2, 0.1), head=(0.1, -0.2, 0.1)),
    ]  # fmt: skip


def finale() -> list[Key]:
    """A wave at the camera, a bow, and the last pose."""
    waving = [
        _key(1 + 0.5 * i, "on hip", "wave out" if i % 2 else "wave in", hold=0.0,
             step=(0.05, 0.10), depth=(0.0, 0.06), heel=(0.0, 0.25), shift=(0.09, -0.02, 0.0),
             hips=(0.0, 0.0, -0.12), torso=(0.0, -0.06, 0.16 - 0.05 * (i % 2)),
             head=(0.0, -0.1, 0.08 - 0.16 * (i % 2)), shrug=(0.0, 0.15))
        for i in range(6)
    ]  # fmt: skip
    return [
        *waving,
        _key(4.2, "palms up", step=(0.02, 0.02), shift=(0.0, -0.02, 0.0), torso=(-0.06, 0, 0)),
        _key(5.2, "bow", step=(0.0, 0.0), hold=0.4, shift=(0.0, -0.03, -0.12),
             hips=(0.45, 0.0, 0.0), torso=(0.50, 0.0, 0.0), head=(0.15, 0.0, 0.0)),
        _key(6.3, "hold out", step=(0.0, 0.0), shift=(0.0, -0.02, 0.0), hold=0.1),
        _key(7.2, "cheer", "on hip", hold=0.8, step=(0.05, 0.10), depth=(0.0, 0.10),
             heel=(0.0, 0.5), shift=(0.09, -0.02, 0.0), hips=(0.0, 0.06, -0.14),
             torso=(0.0, 0.06, 0.22), head=(-0.04, 0.1, 0.18), shrug=(0.1, 0.0)),
    ]  # fmt: skip


def march() -> list[Key]:
    """Marching on the spot, the arms swinging against the legs, ever higher."""
    keys = []
    for i in range(4):
        lift = 0.16 + 0.07 * i
        step = _key(1 + 2 * i, "run back", "run front", lift=(lift, 0.0), depth=(0.5 * lift, 0.0),
                    shift=(-0.06, -0.01, 0.0), hips=(0.0, 0.08, 0.04), torso=(0.05, -0.18, 0.0),
                    hold=0.1)  # fmt: skip
        keys += [step, *_echo([step], 1)]
    return keys


def squats() -> list[Key]:
    """Pops down into a wide squat, hands on the thighs, and up with the arms thrown open."""
    wide = (0.30, 0.30)
    down = _key(1, "thigh", step=wide, turn=(0.6, 0.6), shift=(0, -0.32, -0.05), hips=(0.15, 0, 0),
                torso=(0.20, 0, 0), head=(-0.2, 0, 0), hold=0.4)  # fmt: skip
    up = _key(2, "v up", step=wide, turn=(0.6, 0.6), shift=(0.0, -0.05, 0.0), torso=(-0.08, 0, 0),
              shrug=(0.3, 0.3), hold=0.3)  # fmt: skip
    low_left = _key(5, "shoot", "on chest", step=wide, turn=(0.6, 0.6), shift=(0.18, -0.22, 0.0),
                    torso=(0.10, 0.35, 0.0), head=(0.0, 0.3, 0.0), hold=0.4)  # fmt: skip
    centre = _key(6, "pray", step=wide, turn=(0.6, 0.6), shift=(0.0, -0.10, 0.0))
    return [
        down, up,
        Key(3, down.posture, 0.4), Key(4, up.posture, 0.3),
        low_left, centre, *_echo([low_left, centre], 2),
    ]  # fmt: skip


def jumping_jacks() -> list[Key]:
    """Jumps apart with the arms overhead and together with the arms down, then two hops."""
    keys = []
    for i in range(2):
        at = 1 + 2 * i
        keys += [
            _key(at, "t pose", step=(0.16, 0.16), jump=0.10, shift=(0, 0, 0), hold=0.0),
            _key(at + 0.5, "v up", step=(0.30, 0.30), shift=(0, -0.08, 0), hold=0.1,
                 shrug=(0.3, 0.3)),
            _key(at + 1.1, "t pose", step=(0.16, 0.16), jump=0.08, shift=(0, 0, 0), hold=0.0),
            _key(at + 1.6, "a pose", step=(0.03, 0.03), shift=(0, -0.08, 0), hold=0.0),
        ]  # fmt: skip
    return [
        *keys,
        _key(5, "curl", shift=(0, -0.18, -0.03), hips=(0.15, 0, 0), torso=(0.2, 0, 0)),
        _key(5.8, "straight up", jump=0.20, shift=(0, 0, 0), heel=(0.5, 0.5), hold=0.0,
             shrug=(0.3, 0.3)),
        _key(6.5, "hold", shift=(0, -0.15, -0.02), torso=(0.15, 0, 0), hold=0.1),
        _key(7, "hold out", shift=(0, -0.03, 0)),
        _key(8, "heart", shift=(0.08, -0.03, 0), hips=(0, 0, -0.1), torso=(0, 0, 0.18),
             head=(0, 0, 0.15), hold=0.4),
    ]  # fmt: skip


def sway() -> list[Key]:
    """Swaying with the arms held up, like light sticks at a concert."""
    side = [
        _key(1, "sweep up", "sweep over", step=(0.2, 0.2), heel=(0.0, 0.3), hold=0.1,
             shift=(0.14, -0.03, 0.0), hips=(0, 0, -0.06), torso=(0.0, 0.05, 0.22),
             head=(-0.05, 0.1, 0.1), shrug=(0.2, 0.2)),
        _key(2, "straight up", step=(0.2, 0.2), shift=(0.0, -0.06, 0.0), shrug=(0.3, 0.3),
             hold=0.0),
    ]  # fmt: skip
    keys = [*side, *_echo(side, 2)]
    return [*keys, *(Key(k.count + 4, k.posture, k.hold) for k in keys)]


def lunges() -> list[Key]:
    """Lunges to the side with a sweeping arm, drawn back to the middle."""
    side = [
        _key(1, "flat", "on hip", step=(0.62, 0.05), turn=(0.5, 0.2), shift=(0.36, -0.20, 0.0),
             torso=(0.05, 0.20, -0.10), head=(0.0, 0.5, 0.0), hold=0.5),
        _key(2, "crossed", "crossed under", step=(0.04, 0.05), shift=(0.0, -0.04, 0.0),
             torso=(0.08, 0, 0)),
    ]  # fmt: skip
    front = [
        _key(5, "at you", "on hip", step=(0.05, 0.08), depth=(0.40, -0.20), heel=(0.0, 0.6),
             shift=(0.0, -0.14, 0.15), hips=(0.05, -0.1, 0), torso=(0.0, -0.25, 0.0),
             head=(0.0, 0.25, 0.0), hold=0.5),
        _key(6, "hold", step=(0.05, 0.05), shift=(0.0, -0.03, 0.0)),
    ]  # fmt: skip
    return [*side, *_echo(side, 2), *front, *_echo(front, 2)]


def cute() -> list[Key]:
    """Small idol gestures: cheeks, a heart, a blown kiss, a microphone, a look from below."""
    return [
        _key(1, "cheek", hold=0.5, shift=(0.07, -0.04, 0), hips=(0, 0, -0.1), torso=(0, 0, 0.15),
             head=(0.05, 0, 0.25)),
        _key(2, "cheek", hold=0.5, shift=(-0.07, -0.04, 0), hips=(0, 0, 0.1), torso=(0, 0, -0.15),
             head=(0.05, 0, -0.25)),
        _key(3, "heart", hold=0.5, shift=(0, -0.12, -0.02), torso=(0.15, 0, 0), head=(-0.1, 0, 0),
             heel=(0.3, 0.3)),
        _key(4, "palms up", hold=0.3, torso=(-0.08, 0, 0), shrug=(0.3, 0.3)),
        _key(5, "mouth", "on hip", shift=(0.06, -0.02, 0), torso=(0.05, 0, 0.1), head=(0.1, 0, 0)),
        _key(6, "at you", "on hip", hold=0.5, shift=(0.06, -0.03, 0), torso=(0.12, -0.2, 0.1),
             head=(0, 0.2, 0.1)),
        _key(7, "mic", "v up", shift=(-0.08, -0.02, 0), hips=(0, 0, 0.1), torso=(-0.05, 0.1, -0.18),
             head=(-0.1, -0.2, 0), shrug=(0, 0.3), hold=0.5),
        _key(8, "hang loose", "wave", torso=(0.05, 0, 0)),
    ]  # fmt: skip


LIBRARY: dict[str, Phrase] = {
    "step touch": step_touch,
    "points": points,
    "knees": knees,
    "spin": spin,
    "body wave": body_wave,
    "march": march,
    "squats": squats,
    "jumping jacks": jumping_jacks,
    "sway": sway,
    "lunges": lunges,
    "cute": cute,
}
FINALE: Phrase = finale
