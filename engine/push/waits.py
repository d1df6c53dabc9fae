"""How long to wait before what was lost is tried again."""

from typing import Final

_FIRST_S: Final = 1.0
_LONGEST_S: Final = 30.0


class Waits:
    """1 s at first, then twice as long each time, up to 30 s."""

    def __init__(self) -> None:
        self._next_s = _FIRST_S

    def next_s(self) -> float:
        """Seconds to wait now."""
        now_s, self._next_s = self._next_s, min(2 * self._next_s, _LONGEST_S)
        return now_s

    def begin_anew(self) -> None:
        """It was well until now: the next wait is the first again."""
        self._next_s = _FIRST_S
