"""Methods that Wang 2024 compares with (section 5.2), each as its own paper builds it.

Written from the papers; where these leave a number open, it is that of their authors' released
code, and a comment says so. What our data demand of all: the joints of `PUPPET_20`, and pictures on
white as the papers' tables have them, or premultiplied RGBA.
"""
