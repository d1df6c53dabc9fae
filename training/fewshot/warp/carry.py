"""Parts carried to a pose: all of them coarsely, and at full resolution those that are seen.

Thirteen layers at every pixel would cost several times the network that redraws them, and nearly
all would be empty. So a first look, at half resolution and at alpha alone, tells for each small
tile which few parts are to be seen in it; only those are sampled in full.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.puppet.parts import COUNT, HEAD
from training.fewshot.warp.compose import weigh
from training.fewshot.warp.layers import Layers
from training.fewshot.warp.maps import Frames, pixel_centres, source_points
from training.fewshot.warp.sampling import Sampling, sampled

KEPT = 4  # parts in a tile
_HINT = 0.02  # of a hidden part's alpha: those just behind what is seen come next


@dataclass(frozen=True, slots=True)
class Scene:
    """The parts where the pose has them."""

    layers: Tensor  # (B, K, 5, S, S), front first, see `compose`
    parts: Tensor  # (B, K, T, T): which they are in each tile
    alphas: Tensor  # (B, L, S/2, S/2) of all parts, with what is painted in
    weights: Tensor  # (B, L, S/2, S/2): how much of each is seen
    sampling: Sampling = "bilinear"

    def of_parts(self, values: Tensor) -> Tensor:
        """Values of all parts (B, L, S/2, S/2) for the layers: (B, K, S, S)."""
        size = self.layers.shape[-1]
        tiles = self.parts.shape[-1]
        each = size // 2 // tiles
        parts = self.parts[:, :, :, None, :, None].expand(-1, -1, -1, each, -1, each)
        chosen = values.gather(1, parts.reshape(*self.parts.shape[:2], size // 2, size // 2))
        return F.interpolate(chosen, scale_factor=2.0, mode="nearest")


def tile_size(size: int) -> int:
    """Pixels of a tile: about a fortieth of the picture, an even divisor of its size."""
    return next(tile for tile in (8, 4, 2) if tile == 2 or (size % tile == 0 and size >= 32 * tile))


def carry(layers: Layers, target: Frames, order: Tensor, kept: int = KEPT) -> Scene:
    """The layers where `target` has them, in `order` (B, L) from front to back."""
    size = layers.size
    count = layers.pixels.shape[2]
    atlas = layers.pixels.flatten(2, 3)  # (B, 5, N * S, S)
    half = size // 2
    points, slide = source_points(target, layers.frames, pixel_centres(half, 2.0, target.origin))
    grid = _in_atlas(points, layers.slots[:, :, None], size, count)
    coarse = F.grid_sample(atlas[:, 3:], grid, align_corners=False)  # (B, 2, L, N)
    coarse = coarse.unflatten(3, (half, half))

    by_depth = order[:, None, :, None, None].expand(-1, 2, -1, half, half)
    ordered = coarse.gather(2, by_depth)
    seen, _ = weigh(ordered[:, 0], ordered[:, 1])
    weights = torch.zeros_like(seen).scatter(1, by_depth[:, 0], seen)

    tile = tile_size(size)
    # A tile's own pixels and one row around, lest a coarse look misses an edge.
    found = F.max_pool2d(seen + _HINT * ordered[:, 1], tile // 2 + 2, tile // 2, padding=1)
    ranks = found.topk(min(kept, COUNT), dim=1).indices.sort(dim=1).values  # (B, K, T, T)
    parts = order[:, :, None, None].expand(-1, -1, *ranks.shape[2:]).gather(1, ranks)
    fine = _sample_tiles(atlas, layers, parts, points, slide)
    return Scene(fine, parts, coarse[:, 1], weights, layers.sampling)


def _in_atlas(points: Tensor, slots: Tensor, size: int, count: int) -> Tensor:
    """Points (..., 2) px of layers `slots` (...) as `grid_sample` takes them in the atlas."""
    inside = points.clamp(0.5, size - 0.5)
    x, y = inside[..., 0], inside[..., 1] + slots * size
    return torch.stack([x * (2 / size) - 1, y * (2 / (size * count)) - 1], -1)


def _sample_tiles(
    atlas: Tensor, layers: Layers, parts: Tensor, points: Tensor, slide: Tensor
) -> Tensor:
    """(B, K, 5, S, S): in each tile the layers of its `parts` (B, K, T, T).

    Where they lie is known of every second pixel: `points` (B, L, N, 2) and `slide` (B, N, 2).
    """
    size = layers.size
    batch, kept, tiles, _ = parts.shape
    tile = size // tiles
    rows = parts.reshape(batch, -1)  # all that follows is tile by tile, (B, K * T * T, tile^2)
    points = _refined(points.permute(0, 1, 3, 2).flatten(1, 2), tile).unflatten(1, (COUNT, 2, -1))
    points = points.permute(0, 1, 4, 3, 2).flatten(1, 2)  # (B, L * T * T, tile^2, 2)
    place = torch.arange(tiles * tiles, device=rows.device).repeat(kept)
    picks = (rows * (tiles * tiles) + place)[..., None, None].expand(-1, -1, *points.shape[2:])
    points = points.gather(1, picks)
    slot = layers.slots.gather(1, rows)[..., None]
    slide = _refined(slide.transpose(1, 2), tile).unflatten(1, (2, -1)).permute(0, 3, 2, 1)
    head = (rows == HEAD).to(slide)[..., None, None]
    slid = points + head * slide.repeat(1, kept, 1, 1)
    count = layers.pixels.shape[2]
    made = torch.cat(
        [
            sampled(channels, _in_atlas(where, slot, size, count), layers.sampling)
            for channels, where in ((atlas[:, :3], slid), (atlas[:, 3:], points))
        ],
        1,
    )  # (B, 5, K * T * T, tile^2)
    made = made.unflatten(2, (kept, tiles, tiles)).permute(0, 2, 1, 5, 3, 4)
    return F.pixel_shuffle(made.flatten(2, 3), tile)


def _refined(values: Tensor, tile: int) -> Tensor:
    """(B, C * tile^2, T * T) at all pixels of tiles, of (B, C, N) at every second pixel.

    At the picture's rim they go on as they came: a map knows no rim.
    """
    half = round(values.shape[2] ** 0.5)
    coarse = values.unflatten(2, (half, half))
    coarse = torch.cat(
        [2 * coarse[..., :1] - coarse[..., 1:2], coarse,
         2 * coarse[..., -1:] - coarse[..., -2:-1]], -1,
    )  # fmt: skip
    coarse = torch.cat(
        [2 * coarse[..., :1, :] - coarse[..., 1:2, :], coarse,
         2 * coarse[..., -1:, :] - coarse[..., -2:-1, :]], -2,
    )  # fmt: skip
    fine = F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
    return F.pixel_unshuffle(fine[..., 2:-2, 2:-2], tile).flatten(2)
