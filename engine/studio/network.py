"""What a viewer's browser says of the network, in RTCP, to the link of its feed."""

from aiortc import RTCRtpSender
from aiortc.rtp import (
    RTCP_PSFB_APP,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)

from engine.studio.tracks import CharacterTrack


def observe(sender: RTCRtpSender, track: CharacterTrack) -> None:
    """Take note of each report about a track's packets, on its way to the sender.

    aiortc gives estimates to its own encoder only, which packets that come encoded never see.

    Args:
        sender: of the track.
        track: whose link is told.
    """
    handle = sender._handle_rtcp_packet

    async def look(packet: AnyRtcpPacket) -> None:
        if track.feed is not None:
            link = track.feed.link
            if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
                for report in packet.reports:
                    if report.ssrc == sender._ssrc:
                        link.loss = report.fraction_lost / 256
            elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
                estimate = _estimate(packet, sender._ssrc)
                if estimate is not None:
                    link.report(estimate)
        await handle(packet)

    sender._handle_rtcp_packet = look  # type: ignore[method-assign]


def _estimate(packet: RtcpPsfbPacket, ssrc: int) -> int | None:
    """Bits a second that a REMB message (draft-alvestrand-rmcat-remb) states for us, or None."""
    try:
        bitrate, streams = unpack_remb_fci(packet.fci)
    except ValueError:  # another application's message
        return None
    return bitrate if ssrc in streams else None
