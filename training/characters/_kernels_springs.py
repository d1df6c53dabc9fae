"""Kernel of the spring bones. Serial, and it releases the GIL."""

import math

import numpy as np
from numba import njit

_OPTIONS = {"cache": True, "nogil": True, "fastmath": False}


@njit(
    "void(i4[::1], f8[:,:,::1], f8[:,::1], f8[:,::1], f8[::1], f8[:,::1], f8[:,::1], f8[:,::1],"
    " f8[:,::1], f8, f8[:,::1], f8[:,::1], f8[:,:,::1])",
    **_OPTIONS,
)
def advance(
    starts, bases, roots, axes, lengths, settings, low, high, reach, dt, tips, before, turns
):  # fmt: skip
    """Move every link one step of `dt` seconds, or to where it settles if `dt` is 0.

    Chain c has the links starts[c] .. starts[c + 1] - 1; `bases` (C, 3, 3) and `roots` (C, 3) place
    it; `axes` (L, 3) and `lengths` (L,) are its links at rest; `settings` (C, 3) are stiffness,
    gravity and drag. Capsules run from `low` to `high` (K, 3); link l stays `reach[l, k]` away.
    In place: `tips` (L, 3), `before` (L, 3) the tips one step ago, and `turns` (L, 3, 3).
    """
    parent = np.empty((3, 3))
    head = np.empty(3)
    rest = np.empty(3)
    pull = np.empty(3)
    goal = np.empty(3)
    axis = np.empty(3)
    spun = np.empty((3, 3))
    for c in range(starts.shape[0] - 1):
        stiffness, gravity, drag = settings[c, 0], settings[c, 1], settings[c, 2]
        for i in range(3):
            head[i] = roots[c, i]
            for j in range(3):
                parent[i, j] = bases[c, i, j]
        for link in range(starts[c], starts[c + 1]):
            for i in range(3):
                rest[i] = (
                    parent[i, 0] * axes[link, 0]
                    + parent[i, 1] * axes[link, 1]
                    + parent[i, 2] * axes[link, 2]
                )
                # Gravity beyond what the modelled shape already shows.
                pull[i] = stiffness * rest[i] + gravity * parent[i, 1]
            pull[1] -= gravity
            if dt > 0.0:
                keep = math.exp(-drag * dt)
                for i in range(3):
                    goal[i] = (
                        tips[link, i] + (tips[link, i] - before[link, i]) * keep + pull[i] * dt * dt
                    )
                    before[link, i] = tips[link, i]
            else:
                for i in range(3):
                    goal[i] = head[i] + pull[i]
            for again in range(2):
                length = 0.0
                for i in range(3):
                    goal[i] -= head[i]
                    length += goal[i] * goal[i]
                length = math.sqrt(length)
                for i in range(3):
                    if length > 1e-9:
                        goal[i] = head[i] + goal[i] * lengths[link] / length
                    else:
                        goal[i] = head[i] + rest[i] * lengths[link]
                if again == 1:
                    break
                for k in range(low.shape[0]):
                    along = 0.0
                    span = 0.0
                    for i in range(3):
                        along += (goal[i] - low[k, i]) * (high[k, i] - low[k, i])
                        span += (high[k, i] - low[k, i]) ** 2
                    along = min(max(along / max(span, 1e-12), 0.0), 1.0)
                    distance = 0.0
                    for i in range(3):
                        axis[i] = goal[i] - low[k, i] - along * (high[k, i] - low[k, i])
                        distance += axis[i] * axis[i]
                    distance = math.sqrt(distance)
                    if 1e-9 < distance < reach[link, k]:
                        for i in range(3):
                            goal[i] += axis[i] * (reach[link, k] / distance - 1.0)
            cosine = 0.0
            for i in range(3):
                tips[link, i] = goal[i]
                pull[i] = (goal[i] - head[i]) / lengths[link]
                cosine += rest[i] * pull[i]
                if dt <= 0.0:
                    before[link, i] = goal[i]
            # The least turn from `rest` to `pull` (Rodrigues), on top of the parent's.
            for i in range(3):
                j, k = (i + 1) % 3, (i + 2) % 3
                axis[i] = rest[j] * pull[k] - rest[k] * pull[j]
            share = 1.0 / (1.0 + max(cosine, -0.999))
            for i in range(3):
                for j in range(3):
                    spun[i, j] = share * axis[i] * axis[j]
                spun[i, i] += cosine
            spun[0, 1] -= axis[2]
            spun[0, 2] += axis[1]
            spun[1, 0] += axis[2]
            spun[1, 2] -= axis[0]
            spun[2, 0] -= axis[1]
            spun[2, 1] += axis[0]
            for i in range(3):
                for j in range(3):
                    turns[link, i, j] = (
                        spun[i, 0] * parent[0, j]
                        + spun[i, 1] * parent[1, j]
                        + spun[i, 2] * parent[2, j]
                    )
            for i in range(3):
                head[i] = tips[link, i]
                for j in range(3):
                    parent[i, j] = turns[link, i, j]
