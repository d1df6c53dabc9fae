"""Look at a character file: `python -m training.characters.imports FILE -o sheet.png`."""

import argparse
from pathlib import Path

import cv2

from training.characters.imports.errors import CharacterFileError
from training.characters.imports.load import load_character
from training.characters.sheet import sheet


def main() -> None:
    """Load a file and draw its turnaround and action poses."""
    parser = argparse.ArgumentParser(prog="python -m training.characters.imports")
    parser.add_argument("file", type=Path, help="a .pmx, .pmd, .vrm, .glb or .gltf file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--size", type=int, default=384, help="pixels of each picture")
    parser.add_argument("--props", action="store_true", help="keep what the hands hold")
    parser.add_argument("--without-textures", action="store_true", help="allow missing textures")
    options = parser.parse_args()
    try:
        character = load_character(
            options.file, props=options.props, without_textures=options.without_textures
        )
    except CharacterFileError as error:
        raise SystemExit(str(error)) from error
    picture = sheet(character, options.size)
    if not cv2.imwrite(str(options.output), picture[..., ::-1]):
        raise SystemExit(f"could not write {options.output}: expected a writable .png path")
    links = sum(chain.links for chain in character.chains)
    print(
        f"{character.name}: {len(character.mesh.vertices)} vertices, "
        f"{len(character.mesh.triangles)} triangles, {links} swinging bones; {options.output}"
    )


if __name__ == "__main__":
    main()
