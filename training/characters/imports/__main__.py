"""Look at a character file: `python -m training.characters.imports FILE -o sheet.png`."""

from pathlib import Path
from typing import Annotated

import typer

from engine import console
from training.characters.imports.load import load_character
from training.characters.sheet import sheet, write_sheet


def main(
    file: Annotated[Path, typer.Argument(help="A .pmx, .pmd, .vrm, .glb or .gltf file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The PNG to write.")],
    size: Annotated[int, typer.Option(min=16, help="Pixels of each picture.")] = 384,
    props: Annotated[bool, typer.Option("--props", help="Keep what the hands hold.")] = False,
    without_textures: Annotated[
        bool, typer.Option("--without-textures", help="Allow missing textures.")
    ] = False,
) -> None:
    """Load a file and draw its turnaround and action poses."""
    character = load_character(file, props=props, without_textures=without_textures)
    write_sheet(output, sheet(character, size))
    links = sum(chain.links for chain in character.chains)
    print(
        f"{character.name}: {len(character.mesh.vertices)} vertices, "
        f"{len(character.mesh.triangles)} triangles, {links} swinging bones; {output}"
    )


if __name__ == "__main__":
    console.run(main)
