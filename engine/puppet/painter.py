"""The painter: a small network that hides, bends and redraws what the puppet shows."""

from engine.puppet.parts import COUNT

FEATURES = 4 * 5 + 3 + COUNT + 1 + 6
"""Channels that it is given: see `features`."""
MAPS = 2 + COUNT + 4 * 9
"""Channels that it gives: see `finish`."""


def painter_shapes(size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a painter for pictures of `size` pixels takes and gives: both at half of it."""
    return (1, size // 2, size // 2, FEATURES), (1, size // 2, size // 2, MAPS)
