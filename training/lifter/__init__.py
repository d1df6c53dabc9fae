"""The baseline lifter: 2D joints to 3D (Martinez et al. 2017), trained on rendered motion."""
