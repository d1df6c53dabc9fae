"""What `ayatsuri` and `python -m engine` begin."""

from engine.begin import begin


def main() -> None:
    """Entry point of the console script."""
    begin("engine.cli")


if __name__ == "__main__":
    main()
