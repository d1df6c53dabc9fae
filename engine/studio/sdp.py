"""What is looked at in an offer before anything is done with it, and in the answer."""

from collections.abc import Iterator
from itertools import pairwise

from engine.errors import BadOffer

CODECS = ("H264", "VP8")
"""What the character can be sent as."""

_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


def check_offer(text: str, *, sends: bool) -> None:
    """Refuse, in words, what is no offer for the studio; the rest is for the library to judge.

    Args:
        text: the offer's SDP.
        sends: whether video must be offered for sending (a performer) or receiving (a viewer).

    Raises:
        BadOffer: see the message.
    """
    lines = text.splitlines()
    if not lines or lines[0].strip() != "v=0":
        raise BadOffer("an SDP offer begins with v=0, and this does not")
    for attribute, what in (
        ("a=fingerprint:", "the fingerprint of a certificate"),
        ("a=ice-ufrag:", "an ICE user name"),
        ("a=ice-pwd:", "an ICE password"),
    ):
        if not any(line.startswith(attribute) for line in lines):
            raise BadOffer(f"the offer lacks {what} ({attribute}...)")
    sections = list(_sections(lines))
    kinds = [section[0][2:].partition(" ")[0] for section in sections]
    if kinds.count("video") != 1 or kinds.count("audio") > 1:
        raise BadOffer(
            f"one video and at most one audio are expected in an offer, not {' '.join(kinds)!r}"
        )
    video = sections[kinds.index("video")]
    direction = next((d for d in _DIRECTIONS if f"a={d}" in video), "sendrecv")
    if direction not in ("sendrecv", "sendonly" if sends else "recvonly"):
        wanted = "send video: POST /whep/SESSION to watch" if sends else "receive video"
        raise BadOffer(f"the offer must {wanted}, but it says a={direction}")


def video_codec(answer: str) -> str:
    """The codec that an answer settles on for video: the first of its list, "H264" or "VP8".

    Raises:
        BadOffer: neither, so the two sides have no codec in common.
    """
    for section in _sections(answer.splitlines()):
        head = section[0].split()
        if head[0] == "m=video" and len(head) > 3:
            for line in section:
                if line.startswith(f"a=rtpmap:{head[3]} "):
                    codec = line.split()[1].partition("/")[0].upper()
                    if codec in CODECS:
                        return codec
    raise BadOffer(f"the offer has none of the video codecs {', '.join(CODECS)}")


def with_least_bitrate(answer: str, kbps: int) -> str:
    """An answer that asks a sender of video never to go below a bit rate.

    Chromium takes every lost packet for a full network, and so at a quarter of them lost goes down
    to 30 kbit/s, in which nobody can be made out. Others do not know the parameter.
    """
    made, video = [], False
    for line in answer.splitlines():
        word, _, rest = line.rstrip().partition(" ")
        made.append(line.rstrip())
        if word.startswith("m="):
            video = word == "m=video"
        if video and word.startswith("a=rtpmap:") and rest.partition("/")[0] in CODECS:
            # Parameters of one codec may stand in several lines.
            made.append(f"a=fmtp:{word.partition(':')[2]} x-google-min-bitrate={kbps}")
    return "\r\n".join(made) + "\r\n"


def _sections(lines: list[str]) -> Iterator[list[str]]:
    """The media sections: each begins with its line m=."""
    starts = [i for i, line in enumerate(lines) if line.startswith("m=")]
    for start, end in pairwise([*starts, len(lines)]):
        yield [line.rstrip() for line in lines[start:end]]


def as_caller(offer: str) -> str:
    """An offer that leaves open who begins the DTLS handshake, as one whose side begins it.

    Browsers send what was lost again after 50 ms; OpenSSL, when it begins, after a second.
    """
    return offer.replace("a=setup:actpass", "a=setup:active")
