"""Number keys choose characters, other keys do what they do in `ayatsuri live`.

python docs/examples/deck.py [http://127.0.0.1:8420 [TOKEN]]
"""

import sys

from engine.errors import StudioError
from engine.studio.client import Studio


def main(url: str = "http://127.0.0.1:8420", token: str | None = None) -> None:
    """Ask for a line, do it, until an empty one."""
    with Studio(url, token=token) as studio:
        names = [character["name"] for character in studio.state()["characters"]]
        for number, name in enumerate(names, 1):
            sys.stdout.write(f"{number} {name}\n")
        while line := input("a number, m mirror, c calibrate, s pose, empty to end: ").strip():
            try:
                if line.isdigit() and 0 < int(line) <= len(names):
                    studio.set(character=names[int(line) - 1])
                else:
                    studio.press(line)
            except StudioError as error:  # nobody performs yet, or there is no such key
                sys.stdout.write(f"{error}\n")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except StudioError as error:
        sys.exit(str(error))
