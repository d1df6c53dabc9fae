"""`load_character`: a file of any supported kind to a character that can be posed."""

from collections.abc import Callable
from pathlib import Path

from training.characters.character import RiggedCharacter
from training.characters.imports.errors import CharacterFileError, fail, in_file
from training.characters.imports.files import read_bytes
from training.characters.imports.fit import fit
from training.characters.imports.gltf import read_gltf
from training.characters.imports.model import CharacterModel
from training.characters.imports.pmd import read_pmd
from training.characters.imports.pmx import read_pmx
from training.characters.imports.vrm import read_vrm

SUFFIXES = (".pmx", ".pmd", ".vrm", ".glb", ".gltf")


def load_character(
    path: Path, *, props: bool = False, without_textures: bool = False
) -> RiggedCharacter:
    """Read a PMX, PMD, VRM, GLB or glTF file; a second or less for a common one.

    `props` keeps what is held in the hands; `without_textures` lets an MMD model be white where
    its texture files are missing. The kind is told by the suffix, VRM also by its content.

    Raises CharacterFileError for a file that is damaged, hostile, or has no humanoid body.
    """
    path = Path(path)
    readers: dict[str, Callable[[], CharacterModel]] = {
        ".pmx": lambda: read_pmx(path, without_textures=without_textures),
        ".pmd": lambda: read_pmd(path, without_textures=without_textures),
        ".vrm": lambda: read_vrm(path, props=props),
        ".glb": lambda: (
            read_vrm(path, props=props) if _is_vrm(path) else read_gltf(path, props=props)
        ),
        ".gltf": lambda: read_gltf(path, props=props),
    }
    try:
        if path.suffix.lower() not in readers:
            raise fail(
                f"a file ending in one of {', '.join(SUFFIXES)}", path.name,
                "export the model as VRM or GLB",
            )  # fmt: skip
        return fit(readers[path.suffix.lower()]())
    except CharacterFileError as error:
        raise in_file(error, path) from error


def _is_vrm(path: Path) -> bool:
    head = read_bytes(path)[: 1 << 26]
    return b'"VRMC_vrm"' in head or b'"VRM"' in head
