"""How often an address may ask."""

import ipaddress
from collections import OrderedDict
from typing import Final

from engine.clock import Clock

_MOST_ADDRESSES: Final = 4096
_IPV6_NETWORK: Final = 64  # bits that a household shares


class Buckets:
    """Token buckets, one for each address: `burst` requests at once, and `rate` a second for ever.

    Args:
        clock: fills them.
        rate: tokens a second.
        burst: tokens that a bucket holds.
    """

    def __init__(self, clock: Clock, rate: float, burst: int) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()  # tokens, as of ns

    def take(self, address: str | None) -> float:
        """Spend a token of an address's; 0, or the seconds until there is one."""
        name, now_ns = _household(address), self._clock.now_ns()
        tokens, then_ns = self._buckets.pop(name, (float(self._burst), now_ns))
        tokens = min(tokens + (now_ns - then_ns) * 1e-9 * self._rate, float(self._burst))
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._buckets[name] = (tokens - 1 if tokens >= 1 else tokens), now_ns
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)  # who has not asked for longest
        return wait_s


def _household(address: str | None) -> str:
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if found.version == 6:
        return str(ipaddress.ip_network((found, _IPV6_NETWORK), strict=False))
    return str(found)
