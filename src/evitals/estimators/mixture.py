"""Quantiles of a mixture of normals, each spread by a uniform error: compiled, no allocation."""

import math

import numpy as np
from numpy.typing import NDArray

from evitals.features.kernel import compiled

Array = NDArray[np.float64]
HALVINGS = 30


@compiled
def _integral(z: float) -> float:
    """The integral of the standard normal distribution function from minus infinity to z."""
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return z * 0.5 * (1.0 + math.erf(z / math.sqrt(2.0))) + density


@compiled
def distribution(x: float, means: Array, weights: Array, sigma: float, half: float) -> float:
    """P(N + U <= x): N a mixture of normals (n,) of one sigma > 0, U uniform within +/- half."""
    total = 0.0
    for k in range(means.size):
        z = (x - means[k]) / sigma
        if half > 1e-9:
            r = half / sigma
            part = (_integral(z + r) - _integral(z - r)) / (2.0 * r)
        else:
            part = 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))
        total += weights[k] * part
    return total


@compiled
def quantile(share: float, means: Array, weights: Array, sigma: float, half: float) -> float:
    """The x with ``distribution(x) == share``, by halving; weights (n,) sum to 1."""
    low, high = means[0], means[0]
    for k in range(means.size):
        low, high = min(low, means[k]), max(high, means[k])
    low, high = low - 8.0 * sigma - half, high + 8.0 * sigma + half
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if distribution(middle, means, weights, sigma, half) < share:
            low = middle
        else:
            high = middle
    return float(0.5 * (low + high))
