"""A folder of PNG pictures with alpha."""

from pathlib import Path

import cv2
import numpy as np

from engine.errors import NO_SPACE, DiskFull, SinkError
from engine.frame import Packet
from engine.io._kernels_composite import straighten
from engine.io.folders import frame_name, needs_no_frames


class ImageSequenceSink:
    """Writes every output as `000000.png`, `000001.png`, ... into a folder, which it makes.

    Raises:
        SinkError: the folder cannot be made, a file of that name is in the way, or such pictures
            are in it already.
    """

    name = "png"

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder)
        self._count = 0
        needs_no_frames(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"the folder {self.path} cannot be made: {error}") from error

    def write(self, packet: Packet) -> None:
        """Write one picture.

        Raises:
            DiskFull: there is no space left; the pictures before stay.
        """
        picture = packet.output
        if picture is None:
            raise SinkError("there is no output to write: put the composite stage before the sink")
        order = [2, 1, 0]
        if picture.shape[2] == 4:
            straight = np.empty_like(picture)
            straighten(picture, straight)
            picture, order = straight, [2, 1, 0, 3]
        # Quick rather than small: a stream of pictures has to keep up.
        _, data = cv2.imencode(".png", picture[..., order], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        path = self.path / frame_name(self._count)
        try:
            path.write_bytes(data.tobytes())
        except OSError as error:
            path.unlink(missing_ok=True)
            if error.errno in NO_SPACE:
                raise DiskFull(
                    f"there is no space left for {path}; {self._count} pictures were written"
                ) from error
            raise SinkError(f"{path} cannot be written: {error}") from error
        self._count += 1

    def close(self) -> None:
        """Nothing is held open."""
