"""The show to a streaming service: RTMP, SRT and MPEG-TS. (WHIP is `engine.studio.whip`.)

address.py     where to, and in what container
srt.py         SRT, through a program of its library
publisher.py   a thread that connects, sends, and connects again
camera.py      a thread that shows a virtual camera the newest picture
sink.py        the pictures of a pipeline, encoded for it
"""
