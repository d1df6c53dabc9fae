"""The painter of a character as a subject whose runtime is to be chosen."""

import numpy as np
from numpy.typing import NDArray

from engine.backends.probes import Subject, probe_poses, probes
from engine.character import CharacterBundle
from engine.errors import NotInBundle
from engine.puppet.puppet import Puppet


def painter_of(bundle: CharacterBundle) -> Subject:
    """The painter of a bundle's puppet: tried on poses of the character, judged by its pictures.

    Raises:
        NotInBundle: it has none.
    """
    network = bundle.painter
    if network is None:
        raise NotInBundle(f"{bundle.name} has no painter")
    puppet = Puppet(bundle.drawings)
    poses, images = probe_poses(bundle), probes(bundle)
    features = np.empty(network.input_spec.shape[1:], np.uint8)
    picture = np.empty((bundle.resolution, bundle.resolution, 4), np.uint8)

    def shown() -> list[NDArray[np.uint8]]:
        made = []
        for joints, image in zip(poses, images, strict=True):
            puppet.forget()
            puppet.look(joints, image, features)
            made.append(features.copy())
        return made

    def painted(index: int, maps: NDArray[np.uint8]) -> NDArray[np.uint8]:
        puppet.forget()  # poses are tried one by one, in any order
        puppet.look(poses[index], images[index], features)
        puppet.finish(maps, picture)
        return picture

    about = b"".join(drawing.pixels.tobytes() for drawing in bundle.drawings)
    return Subject(bundle.name, network, shown, painted, about + bundle.skeleton.rest.tobytes())
