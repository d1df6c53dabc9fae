"""Rendered pairs of pose and picture: made, packed, read and looked at."""
