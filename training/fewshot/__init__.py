"""Few-shot pose transfer: a character never seen, from one or a few pictures (Wang 2024)."""
