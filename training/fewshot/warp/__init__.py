"""The main variant: a character's own limbs, cut out, carried to the pose, and redrawn."""
