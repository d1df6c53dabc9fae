"""The instant puppet: a drawing's own limbs, cut out and carried to every pose, untrained."""
