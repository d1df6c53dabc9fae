"""What the renderer knows of a picture that it has drawn: colours, depths, triangles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.render import _kernels_parts


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of T triangles and the buffers that it was made from, n x n samples a pixel.

    A see-through surface counts as there where it covers more than half.
    """

    picture: NDArray[np.uint8]  # (S, S, 4) premultiplied RGBA
    nearness: NDArray[np.float32]  # (n S, n S) 1 / depth of the nearest surface, 0 for none
    labels: NDArray[np.int32]  # (n S, n S) triangle t, T + t for t's outline, -1 for none

    @property
    def supersample(self) -> int:
        """n."""
        return len(self.labels) // len(self.picture)

    def parts(self, of_triangle: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(S, S) which part most samples of each pixel show, from the parts (T,) of the triangles.

        Parts are 1..255, 0 is the background; of two with equally many samples the higher wins, so
        a pixel half covered belongs to the figure.
        """
        out = np.empty(self.picture.shape[:2], np.uint8)
        _kernels_parts.resolve_parts(self.labels, of_triangle, self.supersample, out)
        return out
