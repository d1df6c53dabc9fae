"""Begin a command line: with so little loaded that Ctrl-C meets a reader at once."""

from importlib import import_module


def begin(module: str) -> None:
    """Load the module of a command line, and run its `main`.

    Args:
        module: such as "engine.cli".

    Raises:
        SystemExit: 130, as shells have it, if Ctrl-C came before any command had begun.
    """
    try:
        import_module(module).main()
    except KeyboardInterrupt:  # loading takes a second or so
        raise SystemExit(130) from None  # engine.console.EXIT_INTERRUPTED may not be there yet
