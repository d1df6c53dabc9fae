"""A software renderer for toon-shaded characters: Numba kernels, no GPU and no system library."""
