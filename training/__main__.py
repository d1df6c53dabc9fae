"""What `ayatsuri-train` and `python -m training` begin."""

from engine.begin import begin


def main() -> None:
    """Entry point of the console script."""
    begin("training.cli")


if __name__ == "__main__":
    main()
