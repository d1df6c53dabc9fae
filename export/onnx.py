"""A trained generator to ONNX: texture folded into constants, pixels in and pixels out."""

from collections.abc import Iterator
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.cells import in_cells
from export.parity import Parity, parity
from training.networks.generator import Generator, remove_spectral_norm
from training.to_onnx import to_onnx


class BakedGenerator(nn.Module):
    """One character's generator: the texture branch is a constant, the tensors are bytes.

    Maps `pose` (B, S, S, 3) uint8, pose images, to `picture` (B, S, S, 4) uint8, premultiplied
    RGBA.
    """

    def __init__(self, generator: Generator, reference: Tensor) -> None:
        super().__init__()
        self.generator = generator.eval()
        remove_spectral_norm(self.generator)
        with torch.no_grad():
            for i, texture in enumerate(self.generator.texture(reference)):
                self.register_buffer(f"texture_{i}", texture.contiguous())

    def forward(self, pose: Tensor) -> Tensor:
        """See the class."""
        pose_image = 1 - pose.permute(0, 3, 1, 2).float() / 255
        picture = self.generator.draw(
            pose_image, [self.get_buffer(f"texture_{i}") for i in range(len(self.generator.fusion))]
        )
        return (picture * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def export_generator(
    generator: Generator, reference: Tensor, *, character: str = "", batch: int = 1
) -> bytes:
    """The baked generator as an ONNX file of fixed shapes, checked by onnx; see `export.cells`.

    Args:
        generator: trained; its spectral norms are folded.
        reference: picture (1, 4, S, S) that the character's texture is of.
        character: a name, for the file's metadata.
        batch: pictures at once. A bundle's generator draws one, for the least latency.
    """
    size = generator.config.size
    about = {"reference_sha256": sha256(reference.numpy().tobytes()).hexdigest()}
    if character:
        about["character"] = character
    example = torch.zeros(batch, size, size, 3, dtype=torch.uint8)
    baked = BakedGenerator(generator, reference)
    return in_cells(to_onnx(baked, {"pose": example}, "picture", about=about))


def compare(
    generator: Generator, reference: Tensor, model: bytes, pose_images: NDArray[np.uint8]
) -> Parity:
    """Draw the pose images (N, S, S, 3) by PyTorch and by an exported file."""

    def given() -> Iterator[tuple[Tensor]]:
        for image in pose_images:
            yield (torch.from_numpy(image[None].copy()),)

    return parity(BakedGenerator(generator, reference), model, given())
