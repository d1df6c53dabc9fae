"""Measures of generated pictures against true ones; `training.metrics.evaluate` has them all."""

from training.metrics.pictures import alpha_iou, edges, on_white, sharpness, ssim

__all__ = ["alpha_iou", "edges", "on_white", "sharpness", "ssim"]
