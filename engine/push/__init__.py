"""The show to a streaming service: RTMP and SRT, through PyAV. (WHIP is `engine.studio.whip`.)

address.py     where to, and in what container
publisher.py   a thread that connects, sends, and connects again
sink.py        the pictures of a pipeline, encoded for it
"""
