"""Give the default character a puppet: `python -m export.puppet engine/assets/ito.character`.

Her parts are drawn by the renderer, each alone and from several sides, at twice the generator's
size; nothing is cut out, and nothing is guessed. What else the bundle has stays in it.
"""

from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from engine import console
from engine.character import CharacterBundle, pack
from engine.manifest import SCHEMA_VERSION
from engine.puppet.bundle import packed
from training.characters import ito
from training.fewshot.warp.drawn import drawings_of


def main(
    bundle: Annotated[Path, typer.Argument(help="Of the default character; it is replaced.")],
    size: Annotated[int, typer.Option(help="Of the puppet's pictures, px.")] = 512,
) -> None:
    """Draw the parts, and pack them beside the generator."""
    known = CharacterBundle.load(bundle)
    files, puppet = packed(drawings_of(ito.build(), size))
    dropped = {"puppet": None, "prefers": None}
    kept = known.manifest.model_copy(update=dropped)
    kept_files = CharacterBundle(
        kept, known.skeleton, known.reference, known.need_generator()
    ).files()
    files = {**kept_files, **files}
    manifest = kept.model_copy(
        update={
            "schema_version": SCHEMA_VERSION,
            "files": {name: sha256(content).hexdigest() for name, content in files.items()},
            "puppet": puppet.model_copy(update={"resolution": size}),
            "prefers": "puppet",
        }
    )
    partial = bundle.with_suffix(".partial")
    partial.write_bytes(pack(files, manifest))
    CharacterBundle.load(partial)
    partial.replace(bundle)
    print(f"{bundle}: {bundle.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    console.run(main)
