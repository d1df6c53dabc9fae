"""OpenCV lacks system libraries on a bare Linux, which is told here and not in a traceback."""

from engine.errors import MissingDependency


def check() -> None:
    """Load OpenCV, before the modules that import it at their top.

    Raises:
        MissingDependency: it, or a system library that it needs, is not there.
    """
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            f"OpenCV cannot be loaded ({error}): `ayatsuri doctor` says what to do"
        ) from error
