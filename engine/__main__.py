"""What `ayatsuri` and `python -m engine` begin: so little that Ctrl-C meets a reader at once."""


def main() -> None:
    """Entry point of the console script."""
    try:
        from engine.cli import main as run

        run()
    except KeyboardInterrupt:  # before any command had begun: loading takes a second or so
        raise SystemExit(130) from None  # engine.console.EXIT_INTERRUPTED may not be there yet


if __name__ == "__main__":
    main()
