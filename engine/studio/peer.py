"""One WebRTC connection of the studio's: an offer comes, an answer goes, the character is sent."""

import asyncio
from collections.abc import Callable

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCRtpSender,
    RTCSessionDescription,
)

from engine.clock import Clock
from engine.errors import BadOffer
from engine.studio.connection import Connection
from engine.studio.network import observe
from engine.studio.reception import receive_live
from engine.studio.sdp import as_caller, check_offer, video_codec, with_least_bitrate
from engine.studio.settings import Settings
from engine.studio.telemetry import Telemetry
from engine.studio.tracks import CharacterTrack, SoundTrack

_LEAST_KBPS = 300  # of a performer's camera: below that a pose is hard to make out


class Peer:
    """A connection that is answered once, and sends the character and the sound.

    Args:
        settings: of the server.
        character, sound: what is sent; the connection stops them. No sound goes to those who offer
            no audio.
        clock: the pipeline's.
        receives: whether the other side's pictures and sound are wanted. What is not wanted is
            refused in the answer: aiortc decodes whatever comes into queues without a bound.
        on_end: called, more than once, when the other side is gone or has never come.
        source_pts: the time stamp of the other side's picture of a number.
    """

    def __init__(
        self,
        settings: Settings,
        character: CharacterTrack,
        sound: SoundTrack,
        *,
        clock: Clock,
        receives: bool,
        on_end: Callable[[], None],
        source_pts: Callable[[int], int | None] = lambda sequence: None,
    ) -> None:
        self.character = character
        self.sound = sound
        self._clock = clock
        self.telemetry = Telemetry(clock, self._rtp_timestamp, self._source_rtp_timestamp)
        self._source_pts = source_pts
        self._sender: RTCRtpSender | None = None
        self._receives = receives
        self._on_end = on_end
        servers = [
            RTCIceServer(server.url, server.username, server.credential)
            for server in settings.ice_servers
        ]
        # An empty list, not None: that would be a public STUN server of aiortc's choice.
        self._connection = Connection(RTCConfiguration(iceServers=servers))
        self._connection.on("connectionstatechange", self._look)
        self._connection.on("datachannel", self.telemetry.adopt)
        # aiortc has no time-out of its own for an other side that says nothing at all.
        self._patience = asyncio.get_running_loop().call_later(settings.silence_s, self._look_late)

    @property
    def state(self) -> str:
        """The connection's, as WebRTC names it: new, connecting, connected, failed or closed."""
        return str(self._connection.connectionState)

    def received(self, kind: str) -> MediaStreamTrack | None:
        """The other side's "video" or "audio"; None where it offers none. After `answer`."""
        for transceiver in self._connection.getTransceivers():
            if transceiver.kind == kind:
                return transceiver.receiver.track
        return None

    async def answer(self, offer: str) -> str:
        """The SDP that answers an offer, with all ICE candidates in it.

        Raises:
            BadOffer: it cannot be answered.
        """
        check_offer(offer, sends=self._receives)
        try:
            return await self._negotiate(RTCSessionDescription(as_caller(offer), "offer"))
        except BadOffer:
            raise
        except Exception as error:  # the library raises whatever an offer makes it stumble over
            raise BadOffer(f"the offer cannot be answered: {error!r}") from error

    async def close(self) -> None:
        """End the connection and its tracks; idempotent."""
        self._patience.cancel()
        self._connection.remove_all_listeners()
        # A track that was never sent has nobody else to stop it.
        self.character.stop()
        self.sound.stop()
        await self._connection.close()

    async def _negotiate(self, offer: RTCSessionDescription) -> str:
        connection = self._connection
        await connection.setRemoteDescription(offer)
        for transceiver in connection.getTransceivers():
            if transceiver.kind == "video" and self._receives:
                receive_live(transceiver.receiver, self._clock)
        sender = self._sender = connection.addTrack(self.character)
        observe(sender, self.character)
        self.character.on_sent = self.telemetry.picture_sent
        # aiortc asks its own encoder for a key frame; pictures that come encoded must hear of it.
        sender._send_keyframe = self.character.request_key  # type: ignore[method-assign]
        transceivers = connection.getTransceivers()
        if any(transceiver.kind == "audio" for transceiver in transceivers):
            connection.addTrack(self.sound)
        if not self._receives:
            for transceiver in transceivers:
                transceiver.direction = "sendonly"
        answer = await connection.createAnswer()
        self.character.codec = video_codec(answer.sdp)
        await connection.setLocalDescription(answer)
        sdp = str(connection.localDescription.sdp)
        return with_least_bitrate(sdp, _LEAST_KBPS) if self._receives else sdp

    def _rtp_timestamp(self) -> int:
        # aiortc adds a number of its own choice to every time stamp, and tells nobody.
        stamp = getattr(self._sender, "_RTCRtpSender__rtp_timestamp", 0)
        return int(stamp)

    def _source_rtp_timestamp(self, sequence: int) -> int | None:
        pts = self._source_pts(sequence)
        for receiver in self._connection.getReceivers():
            if receiver.track.kind == "video":
                mapper = getattr(receiver, "_RTCRtpReceiver__timestamp_mapper", None)
                origin = getattr(mapper, "_origin", None)  # what aiortc has taken from each
                if pts is not None and origin is not None:
                    return int(origin + pts) & 0xFFFFFFFF
        return None

    def _look(self) -> None:
        if self.state in ("failed", "closed"):
            self._on_end()

    def _look_late(self) -> None:
        if self.state != "connected":
            self._on_end()
