"""The puppet: a drawing's own limbs, cut out and carried to every pose, and painted over."""
