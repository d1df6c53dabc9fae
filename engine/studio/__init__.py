"""The live puppet in a browser, over WebRTC: `ayatsuri serve`.

    settings.py   what the server is told, and who may speak to it
    sdp.py        what is looked at in an offer and an answer
    source.py     pictures of a performer, into a pipeline
    encoder.py    pictures to H.264 or VP8
    sink.py       pictures out of a pipeline, encoded once for all viewers
    tracks.py     what aiortc sends: the character, and the performer's voice in sync with it
    session.py    one performer, one pipeline, any viewers
    server.py     WHIP, WHEP and the page, over HTTP

Media cross between the event loop and the pipeline's threads at two places only, both bounded:
`WebRtcSource.put` and `Feed.put`. The last three modules need the extra `studio`.
"""
