"""Video to motion: recover what a person in a video does as the motion of a rig."""
