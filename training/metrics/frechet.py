"""Distances between two sets of features: Fréchet's (FID) and the kernel's (KID)."""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]


def frechet(made: Features, truth: Features) -> float:
    """Fréchet distance of the Gaussians fitted to two sets (Heusel et al. 2017, eq. 6).

    |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)). With the centred samples as rows of A and B over
    the square roots of n - 1, C1 = A'A and C2 = B'B, and the last trace is the nuclear norm of AB':
    exact, where the square root of a singular 2048 x 2048 matrix is not. Not negative; 0 for equal
    sets; far from the limit, and too large, for few samples: compare only sets of equal sizes.

    Args:
        made: (N, D), N at least 2.
        truth: (M, D), M at least 2.
    """
    a, b = _checked(made, truth)
    mean = a.mean(axis=0) - b.mean(axis=0)
    a = (a - a.mean(axis=0)) / np.sqrt(len(a) - 1)
    b = (b - b.mean(axis=0)) / np.sqrt(len(b) - 1)
    root = np.linalg.svd(_narrow(a) @ _narrow(b).T, compute_uv=False).sum()
    return max(float(mean @ mean + (a * a).sum() + (b * b).sum() - 2 * root), 0.0)


def kernel(made: Features, truth: Features) -> float:
    """Unbiased squared MMD with the kernel (x.y / D + 1)^3 (Binkowski et al. 2018, KID).

    Its expectation does not depend on the number of samples, so that few are enough; about 0 for
    equal distributions, where it may be a little below.
    """
    a, b = _checked(made, truth)
    n, m = len(a), len(b)

    def k(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)

    within = [(k(x, x).sum() - np.trace(k(x, x))) / (len(x) * (len(x) - 1)) for x in (a, b)]
    return float(within[0] + within[1] - 2 * k(a, b).sum() / (n * m))


def _narrow(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of another matrix with the same Gram matrix A'A: at most D of them."""
    if len(samples) <= samples.shape[1]:
        return samples
    return np.asarray(np.linalg.qr(samples, mode="r"))


def _checked(made: Features, truth: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if made.ndim != 2 or truth.ndim != 2 or made.shape[1] != truth.shape[1]:
        raise ValueError(
            f"expected features (N, D) and (M, D), found {made.shape} and {truth.shape}"
        )
    if len(made) < 2 or len(truth) < 2:
        raise ValueError(
            f"expected at least two samples of each, found {len(made)} and {len(truth)}"
        )
    return made.astype(np.float64), truth.astype(np.float64)
