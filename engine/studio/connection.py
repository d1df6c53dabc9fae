"""aiortc's connection, with an end, and with a beginning that a lossy network does not hold up."""

import asyncio
import contextlib
from typing import Any, Final

from aiortc import RTCDtlsTransport, RTCIceTransport, RTCPeerConnection, RTCSctpTransport

_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 0.4


class Connection(RTCPeerConnection):
    """An `RTCPeerConnection` that can be closed in the middle of connecting.

    aiortc 1.16 connects in tasks of its own, which it neither keeps nor ends, and which go on after
    a close: they begin to send, and ask the other side for consent for ever; or they find what they
    want to begin closed, and raise that where nobody hears it. Here they are ended first. And what
    is said on a channel after the other side has hung up, before the close that follows, is lost.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connecting: set[asyncio.Task[Any]] = set()
        self._insisting: set[RTCDtlsTransport] = set()
        self._ended = False

    async def close(self) -> None:
        """End it, and all that it has begun; idempotent."""
        self._ended = True
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        await super().close()

    async def _RTCPeerConnection__connect(self) -> None:  # noqa: N802
        if self._ended:  # it was still to begin
            return
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        transports = {transceiver.receiver.transport for transceiver in self.getTransceivers()}
        if self.sctp is not None:
            transports.add(self.sctp.transport)
        for transport in transports - self._insisting:
            self._insisting.add(transport)
            self._keep(asyncio.create_task(check_again(transport.transport), name="ICE again"))
            self._keep(asyncio.create_task(shake_again(transport), name="DTLS again"))
        await super()._RTCPeerConnection__connect()  # type: ignore[misc]

    def _RTCPeerConnection__createSctpTransport(self) -> None:  # noqa: N802
        super()._RTCPeerConnection__createSctpTransport()  # type: ignore[misc]
        assert self.sctp is not None
        lose_quietly(self.sctp)

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)


def lose_quietly(sctp: RTCSctpTransport) -> None:
    """Take chunks that find no way as lost on it, as any chunk may be.

    aiortc 1.16 sends messages, and what is sent again, in tasks that it does not keep: each raised
    the end of the way where nobody hears it. The end itself is told by the DTLS transport.

    Args:
        sctp: before it sends.
    """
    own_send = sctp._send_chunk

    async def send(chunk: Any) -> None:
        with contextlib.suppress(ConnectionError):
            await own_send(chunk)

    sctp._send_chunk = send  # type: ignore[method-assign]


async def check_again(transport: RTCIceTransport) -> None:
    """Send the checks of ways that have no answer again, every 0.1 to 0.4 s, until one is found.

    aioice 0.13 does so after half a second, then one, then two; the same constant is how long it
    waits for an answer to what keeps a connection, so that it cannot be less.

    Args:
        transport: before its checks.
    """
    wait_s = _FIRST_WAIT_S
    while transport.state in ("new", "checking"):
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        for protocol in tuple(transport._connection._protocols):
            for check in tuple(protocol.transactions.values()):
                protocol.send_stun(check._Transaction__request, check._Transaction__addr)  # type: ignore[attr-defined]


async def shake_again(transport: RTCDtlsTransport) -> None:
    """Send what a handshake has sent last again, every 0.1 to 0.4 s, until it is over.

    OpenSSL does so after a second, then two, then four, and nobody who comes through pyOpenSSL can
    tell it otherwise. What comes twice is left out by the number of its record (RFC 6347, 4.1.2.6).

    Args:
        transport: before its handshake.
    """
    ice = transport.transport
    flight: list[bytes] = []
    heard = True  # since the last that was sent: the next begins another flight
    wait_s = _FIRST_WAIT_S

    async def send(data: bytes) -> None:
        nonlocal heard, wait_s
        if heard:
            flight.clear()
            heard, wait_s = False, _FIRST_WAIT_S
        flight.append(data)
        await own_send(data)

    async def receive() -> bytes:
        nonlocal heard
        data = await own_receive()
        heard = True
        return data

    own_send, own_receive = ice._send, ice._recv
    ice._send, ice._recv = send, receive
    try:
        while transport.state in ("new", "connecting"):
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            for data in tuple(flight):
                await own_send(data)
    except ConnectionError:
        pass  # there is no way any more: the handshake hears of that, too
    finally:
        ice._send, ice._recv = own_send, own_receive
