"""The live puppet in a browser, over WebRTC: `ayatsuri serve`.

    settings.py   what the server is told, and who may speak to it
    run.py        the process: listens, and ends as it is told to
    server.py     WHIP, WHEP and the pages, over HTTP
    guard.py      looks at every request first; limits.py: how often an address may ask
    api.py        settings, characters, presets over HTTP; control.py: over a WebSocket
    client.py     the other end of that WebSocket, for scripts
    enrolments.py drawings that become characters
    metrics.py    for whoever watches over the server; logs.py, certificate.py
    page.py       the pages, as they were built from the folder web
    front.py      many studios behind one address; cluster.py: as replicas of Ray Serve

    studio.py     all sessions, and what they share: gallery.py, looks.py, backdrops.py, events.py
    session.py    one performer, one pipeline, any viewers
    shows.py      the pipeline; director.py: what of it changes while it runs

    sdp.py        what is looked at in an offer and an answer
    peer.py       one connection; telemetry.py: its data channel; network.py: what it reports
    source.py     pictures of a performer, into a pipeline
    sink.py       pictures out of a pipeline, encoded once for all viewers of a stream
    streams.py    which streams there are, how many bits each has, and who gets which
    feed.py       one viewer's queue; encoder.py: H.264 or VP8; packed_alpha.py: with transparency
    tracks.py     what aiortc sends: the character, and the performer's voice in sync with it
    push.py       one viewer more: a streaming service; whip.py: one that speaks WHIP

Media cross between the event loop and the pipeline's threads at two places only, both bounded:
`WebRtcSource.put` and `Feed.put`. What speaks HTTP or WebRTC needs the extra `studio`.
"""
