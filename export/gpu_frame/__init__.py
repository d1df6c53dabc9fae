"""The whole frame as torch operations, for one CUDA graph: see `whole` and `path`."""
