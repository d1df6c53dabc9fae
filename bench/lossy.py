"""A bad network of our own: a UDP relay that loses and delays packets, the same ones every time.

It stands between two ends on this machine. What happens to a packet depends on its number and on
the seed alone, so that a run can be repeated; whether a packet is STUN, DTLS or pictures it does
not ask, as no network does. Packets that jitter do not overtake each other unless they are told to:
a queue somewhere on the way is what delays them.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

HOST: Final = "127.0.0.1"

_CANDIDATE: Final = "a=candidate:"
_ADDRESS, _PORT = 4, 5  # of a candidate's words (RFC 8839, section 5.1)


@dataclass(frozen=True, slots=True)
class Network:
    """What becomes of packets, in each direction.

    Attributes:
        name: as a row of a result.
        loss: share that is lost, [0, 1).
        delay_ms: of every packet.
        jitter_ms: more, evenly from 0 to so much.
        overtaking: whether a quick packet passes a slow one.
        seed: of it all.
    """

    name: str
    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    overtaking: bool = False
    seed: int = 0

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> "Network":
        """From "clean", or words joined by +: "5%" of loss, "50ms" of jitter, "100ms-late" for all.

        Raises:
            ValueError: it is nothing of that kind.
        """
        loss = delay = jitter = 0.0
        for word in () if text == "clean" else text.split("+"):
            try:
                if word.endswith("%"):
                    loss = float(word[:-1]) / 100
                elif word.endswith("ms-late"):
                    delay = float(word.removesuffix("ms-late"))
                elif word.endswith("ms"):
                    jitter = float(word[:-2])
                else:
                    raise ValueError(word)
            except ValueError as error:
                raise ValueError(
                    f"a network is clean, or 5%, 50ms, 20ms-late or 5%+50ms, not {text!r}"
                ) from error
        if not 0 <= loss < 1 or delay < 0 or jitter < 0:
            raise ValueError(f"a share under 100% and times from 0 up are expected, not {text!r}")
        return cls(text, loss, delay, jitter, seed=seed)


class Fate:
    """What becomes of the packets of one direction, one after the other: pure, and repeatable."""

    def __init__(self, network: Network, direction: str) -> None:
        self._network = network
        self._random = random.Random(f"{network.seed} {direction}")
        self._last_s = 0.0

    def next(self, now_s: float) -> float | None:
        """When the next packet, here now, goes on its way; None: never."""
        lost = self._random.random() < self._network.loss
        jitter_ms = self._random.random() * self._network.jitter_ms
        if lost:
            return None
        leaves_s = now_s + 1e-3 * (self._network.delay_ms + jitter_ms)
        if not self._network.overtaking:
            # Later than the last, not as late: the event loop keeps no order among equals.
            leaves_s = self._last_s = max(leaves_s, self._last_s + 1e-6)
        return leaves_s


@dataclass(slots=True)
class Counts:
    """Packets of one direction."""

    came: int = 0
    lost: int = 0


@dataclass(slots=True)
class _Route:
    """A door that stands for one address; one line behind it for everybody who comes."""

    target: tuple[str, int]
    door: asyncio.DatagramTransport | None = None
    lines: dict[Any, asyncio.DatagramTransport] = field(default_factory=dict)


class Relay:
    """Doors, each of which leads to an address of this machine through the network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.to_server, self.to_client = Counts(), Counts()
        self._in, self._out = Fate(network, "in"), Fate(network, "out")
        self._routes: list[_Route] = []
        self._opening: set[asyncio.Future[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def open(self, target: tuple[str, int]) -> int:
        """The port of a door to an address."""
        route = _Route(target)
        door, _ = await self._loop.create_datagram_endpoint(
            lambda: _Ears(lambda data, client: self._arrived(route, data, client)),
            local_addr=(HOST, 0),
        )
        route.door = door
        self._routes.append(route)
        return int(door.get_extra_info("sockname")[1])

    async def rewrite(self, sdp: str) -> str:
        """An answer whose UDP candidates lead through the network; there is one of them at the end.

        The other side's candidates have to be kept from the server (`without_candidates`): it would
        find the direct way.
        """
        lines, done = [], False
        for line in sdp.splitlines():
            words = line.split()
            if line.startswith(_CANDIDATE):
                if done or words[2].lower() != "udp":
                    continue
                port = await self.open((words[_ADDRESS], int(words[_PORT])))
                words[_ADDRESS], words[_PORT], done = HOST, str(port), True
                line = " ".join(words)
            lines.append(line)
        return "\r\n".join(lines) + "\r\n"

    def close(self) -> None:
        """Shut all doors; what is still under way never arrives."""
        self._closed = True
        for task in self._opening:
            task.cancel()
        for route in self._routes:
            for line in route.lines.values():
                line.close()
            if route.door is not None:
                route.door.close()

    def _arrived(self, route: _Route, data: bytes, client: Any) -> None:
        line = route.lines.get(client)
        if line is None:
            task = asyncio.ensure_future(self._new_line(route, data, client))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
            return
        self._send(self._in, self.to_server, partial(line.sendto, data))

    async def _new_line(self, route: _Route, data: bytes, client: Any) -> None:
        def back(answer: bytes, _: Any) -> None:
            door = route.door
            assert door is not None
            self._send(self._out, self.to_client, partial(door.sendto, answer, client))

        line, _ = await self._loop.create_datagram_endpoint(
            lambda: _Ears(back), remote_addr=route.target
        )
        known = route.lines.setdefault(client, line)
        if known is not line:
            line.close()  # two packets of one client came at once
        self._send(self._in, self.to_server, partial(known.sendto, data))

    def _send(self, fate: Fate, counts: Counts, send: Callable[[], None]) -> None:
        counts.came += 1
        now_s = self._loop.time()
        leaves_s = fate.next(now_s)
        if leaves_s is None:
            counts.lost += 1
        elif leaves_s <= now_s:
            send()
        else:
            self._loop.call_at(leaves_s, self._leave, send)

    def _leave(self, send: Callable[[], None]) -> None:
        if not self._closed:
            send()


class _Ears(asyncio.DatagramProtocol):
    def __init__(self, heard: Any) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._heard(data, addr)


def without_candidates(sdp: str) -> str:
    """An offer that says nothing of where its side is to be found."""
    kept = (line for line in sdp.splitlines() if not line.startswith(_CANDIDATE))
    return "\r\n".join(kept) + "\r\n"


@asynccontextmanager
async def relaying(network: Network) -> AsyncIterator[Relay]:
    """A relay that is closed in the end."""
    relay = Relay(network)
    try:
        yield relay
    finally:
        relay.close()
