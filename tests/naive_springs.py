"""Slow, obvious twin of the spring bones' kernel."""

import numpy as np

from engine.mocap.rotations import shortest, unit


def spring_chain(points, stiffness, gravity, drag, base, root, dt, tips, before):
    """One step of a chain of spring bones, free of obstacles: new tips, and turns of its links."""
    parent, head = np.asarray(base), np.asarray(root, float)
    new, turns = [], []
    for i in range(len(points) - 1):
        rest = points[i + 1] - points[i]
        length = np.linalg.norm(rest)
        aim = parent @ (rest / length)
        pull = stiffness * aim + gravity * (parent @ [0.0, 1.0, 0.0] - [0.0, 1.0, 0.0])
        if dt > 0:
            goal = tips[i] + (tips[i] - before[i]) * np.exp(-drag * dt) + pull * dt * dt
        else:
            goal = head + pull
        goal = head + length * unit(goal - head)
        parent = shortest(aim, goal - head) @ parent
        head = goal
        new.append(goal)
        turns.append(parent)
    return np.array(new), np.array(turns)
