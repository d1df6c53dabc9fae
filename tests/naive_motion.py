"""Slow, obvious twins of the motion kernels, as in `tests.naive`.

What the kernels do in place, row by row, these do with new arrays, vectors and the definitions.
"""

import numpy as np
from numpy.typing import NDArray

from engine.motion import _kernels_stand as stand

Floats = NDArray[np.float64]

# --- engine/motion/_kernels_smooth.py -------------------------------------------------------------


class OneEuro:
    """Casiez et al. 2012, algorithm 1, for one point (x, y, z) with a common xy cutoff."""

    def __init__(self, min_cutoff: float, beta: float, speed_cutoff: float, longest: float) -> None:
        self.min_cutoff, self.beta = min_cutoff, beta
        self.speed_cutoff, self.longest = speed_cutoff, longest
        self.raw: Floats | None = None
        self.smooth: Floats = np.full(3, np.nan)
        self.velocity: Floats = np.zeros(3)
        self.time = 0.0
        self.last = 0.0

    @staticmethod
    def alpha(cutoff: Floats | float, dt: float) -> Floats | float:
        """The paper's alpha = 1 / (1 + tau / Te)."""
        tau = 1 / (2 * np.pi * cutoff)
        return 1 / (1 + tau / dt)

    def __call__(self, point: Floats, dt: float) -> Floats:
        """The filtered point, `dt` after the last call."""
        self.time += dt
        gap = self.time - self.last
        if not np.isfinite(point).all():
            return self.smooth
        if self.raw is None or gap > self.longest:
            self.raw, self.smooth, self.velocity = point, point, np.zeros(3)
            self.last = self.time
        elif gap > 0:
            rate = (point - self.raw) / gap
            a = self.alpha(self.speed_cutoff, gap)
            self.velocity = a * rate + (1 - a) * self.velocity
            speed = np.array([np.linalg.norm(self.velocity[:2])] * 2 + [abs(self.velocity[2])])
            a = self.alpha(self.min_cutoff + self.beta * speed, gap)
            self.smooth = a * point + (1 - a) * self.smooth
            self.raw, self.last = point, self.time
        return self.smooth


def weigh_window(
    ring: NDArray[np.float32], start: int, weights: Floats, row: int
) -> NDArray[np.float32]:
    """Twin of `weigh_window`."""
    window = np.roll(ring, -start, axis=0)[: weights.shape[1]].astype(np.float64)
    out = np.einsum("k,kjc->jc", weights[row], window)
    out[:, 3] = np.roll(ring, -start, axis=0)[row, :, 3]
    return out.astype(np.float32)


# --- engine/motion/_kernels_person.py -------------------------------------------------------------


def smoothstep(x: float) -> float:
    """0 below 0, 1 above 1, 3 x^2 - 2 x^3 between."""
    x = float(np.clip(x, 0, 1))
    return 3 * x**2 - 2 * x**3


def convert_pose(
    keypoints: NDArray[np.float32],
    scores: NDArray[np.float32],
    world: NDArray[np.float32],
    pairs: NDArray[np.int64],
    size_wh: tuple[float, float],
    flip: bool,
) -> tuple[Floats, Floats]:
    """Twin of `convert_pose`: body (22, 4) and metres (22, 3)."""
    size = np.array(size_wh, float)
    xy = keypoints.astype(float)[pairs].mean(axis=1)
    both = scores.astype(float)[pairs]
    score = np.where(np.isfinite(both).all(axis=1), both.min(axis=1), 0)
    metres = world.astype(float)[pairs].mean(axis=1)
    with np.errstate(invalid="ignore"):
        inside = ((xy >= -0.2 * size) & (xy <= 1.2 * size)).all(axis=1)
    score = np.where(inside, np.clip(score, 0, 1), 0)
    xy = np.where(np.isnan(xy).any(axis=1, keepdims=True), size / 2, np.clip(xy, -size, 2 * size))
    metres = np.where(np.abs(metres) < 10, metres, np.nan)
    if flip:
        xy[:, 0] = size[0] - xy[:, 0]
        metres[:, 0] *= -1
    score[21] = max(score[[16, 17]].mean(), score[[0, 14, 15]].mean())
    return np.column_stack([xy, np.zeros(22), score]), metres


def fit_scale(body: Floats, metres: Floats) -> float:
    """Twin of `fit_scale`: weighted least squares by numpy's own solver, reweighted."""
    rows = [j for j in range(2, 14) if np.isfinite(metres[j, :2]).all()]
    seen = np.array([smoothstep((body[j, 3] - 0.3) / 0.5) for j in rows])
    trust = np.ones(len(rows))
    scale = np.nan
    for _ in range(3):
        w = seen * trust
        if w.sum() < 1.5:
            return float("nan")
        k = body[rows, :2] - np.average(body[rows, :2], axis=0, weights=w)
        m = metres[rows, :2] - np.average(metres[rows, :2], axis=0, weights=w)
        root_w = np.sqrt(np.repeat(w, 2))
        if (np.square(m.ravel() * root_w)).sum() < 1e-4:
            return float("nan")
        scale = np.linalg.lstsq((m.ravel() * root_w)[:, None], k.ravel() * root_w)[0][0]
        if scale <= 0:
            return float("nan")
        residual = np.linalg.norm(k / scale - m, axis=1)
        trust = 1 / (1 + (residual / 0.06) ** 2)
    return float(scale)


def measure_segments(body: Floats, px_per_m: float, ends: NDArray[np.int64]) -> Floats:
    """Twin of `measure_segments`."""
    a, b = body[ends[..., 0]], body[ends[..., 1]]
    length = np.linalg.norm((a - b)[..., :3], axis=-1) / px_per_m
    return np.where((a[..., 3] >= 0.6) & (b[..., 3] >= 0.6), length, np.nan)


def update_lengths(
    measured: Floats, dt: float, lengths: Floats, evidence_s: Floats
) -> tuple[Floats, Floats]:
    """Twin of `update_lengths`."""
    lengths, evidence_s = lengths.copy(), evidence_s.copy()
    for s in range(10):
        sides = measured[s][np.isfinite(measured[s])]
        if len(sides):
            error = np.clip(sides.mean() / lengths[s] - 1, -0.5, 0.5) * lengths[s]
            evidence_s[s] = min(20.0, evidence_s[s] + dt)
            gain = min(0.5, dt / evidence_s[s]) if evidence_s[s] > 0 else 0
            rise = (1.7, 1.7, 1.4, 1.2, 0.8, 1.9, 1.9, 1.9, 1.7, 1.0)[s]
            lengths[s] += gain * error * (rise if error > 0 else 2 - rise)
    return lengths, evidence_s


def orthonormal(x: Floats, f: Floats) -> Floats | None:
    """Both axes give way by half their cosine; then forward gives way to what is left."""
    if np.linalg.norm(x) <= 1e-9 or np.linalg.norm(f) <= 1e-9:
        return None
    x, f = x / np.linalg.norm(x), f / np.linalg.norm(f)
    if abs(x @ f) >= 0.95:
        return None
    x, f = x - (x @ f) / 2 * f, f - (x @ f) / 2 * x
    x = x / np.linalg.norm(x)
    f = f - (f @ x) * x
    return np.array([x, f / np.linalg.norm(f)])


def torso_axes(body: Floats) -> Floats:
    """Twin of `torso_axes`."""
    axes = np.array([[1.0, 0, 0], [0, 0, -1]])
    if body[1, 3] >= 0.3:
        x = body[5, :3] - body[2, :3]
        down = body[20, :3] - body[1, :3] if body[20, 3] >= 0.3 else np.array([0, 1.0, 0])
        found = orthonormal(x, -np.cross(x, down))
        axes = axes if found is None else found
    return axes


def face_axes(body: Floats, torso: Floats, neutral_pitch: float) -> tuple[float, Floats]:
    """Twin of `face_axes`: the pitch seen, and the axes."""
    trust = smoothstep((body[[0, 14, 15, 16, 17], 3].mean() - 0.3) / 0.4)
    if trust == 0:
        return float("nan"), torso
    ears, eyes = body[17, :3] - body[16, :3], body[15, :3] - body[14, :3]
    x = ears / (np.linalg.norm(ears) + 1e-9) + eyes / (np.linalg.norm(eyes) + 1e-9)
    found = orthonormal(x, body[0, :3] - body[21, :3])
    if found is None:
        return float("nan"), torso
    x, forward = found
    pitch, facing = np.arcsin(np.clip(forward[1], -1, 1)), -forward[2]
    down = np.cross(x, forward)
    level = np.cos(neutral_pitch) * forward - np.sin(neutral_pitch) * down
    trust *= smoothstep((level @ torso[1] + 0.6) / 0.4)
    mixed = (1 - trust) * torso + trust * np.array([x, level])
    found = orthonormal(*mixed)
    axes = torso if found is None else found
    return (float(pitch) if trust > 0.8 and facing > 0.85 else float("nan")), axes


# --- engine/motion/_kernels.py --------------------------------------------------------------------


def soft_limit(x: float, low: float, high: float) -> float:
    """Twin of `soft_limit`."""
    bound = high if x >= 0 else -low
    return float(bound * np.tanh(x / bound)) if bound > 0 else 0.0


def scale_bone(bone: Floats, ratio: float, length: float) -> Floats:
    """Twin of `scale_bone`, for the bone as a vector."""
    xy, z = ratio * bone[:2], ratio * bone[2]
    flat = np.linalg.norm(xy)
    xy = xy * min(1.0, 1.05 * length / flat) if flat > 0 else xy
    deepest = np.sqrt(max(0.0, (1.05 * length) ** 2 - xy @ xy))
    return np.append(xy, np.clip(z, -deepest, deepest))


def limb_offsets(
    body: Floats,
    px_per_m: float,
    lengths_m: Floats,
    character_px: Floats,
    ends: NDArray[np.int64],
    head: Floats,
    head_axes: Floats,
) -> Floats:
    """Twin of `limb_offsets`: (20, 3), the neck's row is 0."""
    offsets = np.zeros((20, 3))
    scaled = np.zeros((9, 2, 3))
    for s, side in np.ndindex(9, 2):
        p, q = ends[s, side]
        length = character_px[s, side]
        ratio = length / (lengths_m[s] * px_per_m)
        scaled[s, side] = scale_bone(body[q, :3] - body[p, :3], ratio, length)
        if s not in (1, 8):
            offsets[q] = scaled[s, side]
    offsets[[8, 11]] += scaled[1]
    x, forward = head_axes
    turn = np.array([x, np.cross(x, forward), -forward]).T  # template axes as columns
    ears = head[[3, 4]].mean(axis=0)
    offsets[[0, 14, 15, 16, 17]] = scaled[8, 0] + (head - ears) @ turn.T
    return offsets


def update_seen(body: Floats, parents: NDArray[np.int64], seen: NDArray[np.bool_]) -> list[bool]:
    """Twin of `update_seen`: a joint is seen if it and all those between it and the neck are."""
    score = body[:20, 3].copy()
    score[[0, 14, 15, 16, 17]] = body[21, 3]
    score[[8, 11]] = body[20, 3]
    alone = score >= np.where(seen[:20], 0.3, 0.45)

    def chain(j: int) -> bool:
        return bool(alone[j]) and (j == 1 or chain(int(parents[j])))

    result = [chain(j) for j in range(20)]
    return [*result, result[10] or result[13]]


def place(
    eased: Floats,
    rest: Floats,
    parents: NDArray[np.int64],
    floor_y: float,
    size: float,
    stance: float,
    on_floor: float,
) -> NDArray[np.float32]:
    """Twin of `place`."""

    def from_neck(j: int) -> Floats:
        return np.zeros(3) if j == 1 else eased[j] + from_neck(int(parents[j]))

    figure = np.array([from_neck(j) for j in range(20)])
    hanging = rest[1, :2] + eased[1, :2]

    ankles, toes = figure[[10, 13]], figure[[18, 19]]
    lift = [  # how far below the neck the floor is, by the ankles and by the toes
        ankles[:, 1].max() + floor_y - rest[[10, 13], 1].max(),
        toes[:, 1].max() + floor_y - rest[[18, 19], 1].max(),
    ]
    feet = np.array([stance, 1 - stance]) @ ankles[:, 0]
    standing = np.array(
        [rest[[10, 13], 0].mean() + eased[20, 0] - feet, floor_y - eased[20, 1] - max(lift)]
    )
    root = hanging + smoothstep(on_floor) * (standing - hanging)

    margin = 0.015 * size
    ends = np.array([size - margin, max(size - margin, floor_y)])
    low, high = margin - figure[:, :2].min(axis=0), ends - figure[:, :2].max(axis=0)
    root = np.where(low > high, (low + high) / 2, np.maximum(low, np.minimum(high, root)))
    figure[:, :2] += root
    return np.column_stack([figure, np.ones(20)]).astype(np.float32)


# --- engine/motion/_kernels_clear.py --------------------------------------------------------------


def head_metric(ears: float, neck: float, axes: Floats) -> Floats:
    """Twin of `head_metric`: (2, 2), the inverse square root of the head's outline."""
    down = np.cross(axes[0], axes[1])[:2]
    wide, high = 1.1 * ears, 0.5 * ears + 0.4 * neck
    sizes, ways = np.linalg.eigh(wide**2 * np.eye(2) + (high**2 - wide**2) * np.outer(down, down))
    return np.asarray(ways @ np.diag(sizes**-0.5) @ ways.T)


def way_out(u: Floats, v: Floats, clear: float) -> Floats:
    """Twin of `way_out`: where the ray from behind the middle through v leaves the circle."""
    radius = min(float(np.linalg.norm(u)), clear)
    if v @ v >= radius**2:
        return np.zeros(2)
    ray = v + 0.5 * radius * u / np.linalg.norm(u)
    length = float(np.linalg.norm(ray))
    if length < 1e-9 * radius:
        return np.zeros(2)
    ray = ray / length
    leaves = max(np.roots([1, 2 * (v @ ray), v @ v - radius**2]).real)
    return np.asarray(leaves * smoothstep(length / (0.3 * radius)) * ray)


def clear_arm(
    u: Floats, clear: float, shoulder: Floats, metric: Floats, elbow: Floats, wrist: Floats
) -> tuple[Floats, Floats]:
    """Twin of `clear_arm`: the offsets (2,) of elbow and wrist, as complex turns of the given."""
    shares = np.array([(0.7, 0), (1, 0), (1, 0.25), (1, 0.5), (1, 0.75), (1, 1), (1, 1.35)])
    ways = np.zeros(4)
    bones = elbow, wrist
    for _ in range(16):
        across = [np.array([-bone[1], bone[0]]) for bone in bones]
        outs, gains = [], []
        for (upper, fore), seen in zip(shares, u, strict=True):
            point = metric @ (shoulder + upper * bones[0] + fore * bones[1])
            moves = [
                upper * across[0] + 0.4 * fore * across[1],
                fore * across[1],
                upper * bones[0],
                fore * bones[1],
            ]
            out = way_out(seen, point, clear)
            outs.append(np.linalg.norm(out))
            unit = out / outs[-1] if outs[-1] > 0 else out
            gains.append([unit @ metric @ move for move in moves])
        lacks, gain = np.array(outs), np.array(gains)
        if not lacks.any():
            break
        matrix = (np.abs(gain).T * lacks) @ np.abs(gain)
        ways += (gain.T @ lacks**2) / (matrix.sum(axis=1) + 0.5 * lacks.sum())
        ways[2:] = np.minimum(ways[2:], 0)
        turns = np.exp([ways[2] + 1j * ways[0], ways[3] + 1j * (0.4 * ways[0] + ways[1])])
        moved = [complex(*bone) * turn for bone, turn in zip((elbow, wrist), turns, strict=True)]
        bones = np.array([moved[0].real, moved[0].imag]), np.array([moved[1].real, moved[1].imag])
    return bones


def clear_head(
    body: Floats,
    px_per_m: float,
    lengths_m: Floats,
    character_px: Floats,
    head_axes: Floats,
    offsets: Floats,
) -> Floats:
    """Twin of `clear_head`: new offsets."""
    metric = head_metric(lengths_m[9] * px_per_m, lengths_m[8] * px_per_m, head_axes)
    own = head_metric(character_px[9, 0], character_px[8, 0], head_axes)
    cleared = offsets.copy()
    for s in (2, 5):
        upper = [body[s, :2] + t * (body[s + 1, :2] - body[s, :2]) for t in (0.7, 1)]
        fore = [
            body[s + 1, :2] + t * (body[s + 2, :2] - body[s + 1, :2])
            for t in (0.25, 0.5, 0.75, 1, 1.35)
        ]
        u = (np.array(upper + fore) - body[21, :2]) @ metric
        kept = smoothstep((np.linalg.norm(u, axis=1).min() - 0.4) / 0.6)
        kept *= smoothstep((body[[21, s, s + 1, s + 2], 3].min() - 0.3) / 0.4)
        shoulder = (offsets[s] - offsets[[16, 17]].mean(axis=0))[:2]
        if kept > 0:
            clear = kept * min(1.05, float(np.linalg.norm(own @ shoulder)))
            cleared[s + 1, :2], cleared[s + 2, :2] = clear_arm(
                kept * u, clear, shoulder, own, offsets[s + 1, :2], offsets[s + 2, :2]
            )
    return cleared


# --- engine/motion/_kernels_stand.py --------------------------------------------------------------


def turn_legs(rest: Floats, eased: Floats) -> Floats:
    """The offsets at rest, with hips and legs turned about the vertical as the shoulders are."""

    def smooth(x: float, low: float, high: float) -> float:
        share = np.clip((x - low) / (high - low), 0, 1)
        return float(share**2 * (3 - 2 * share))

    of, now = rest[5] - rest[2], eased[5] - eased[2]
    turn = float(np.angle(complex(now[0], now[2]) * complex(of[0], -of[2])))
    turn *= smooth(abs(turn), stand.TWIST, stand.GOES_ALONG)
    level = np.hypot(now[0], now[2]) / max(np.linalg.norm(now), 1e-9)
    turn *= smooth(level, *stand.LEVEL)
    standing = rest.copy()
    for j in stand.STANDING:
        flat = complex(rest[j, 0], rest[j, 2]) * np.exp(1j * turn)
        standing[j, 0], standing[j, 2] = flat.real, flat.imag
    return standing
