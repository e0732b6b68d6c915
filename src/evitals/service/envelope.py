"""The highest and lowest value in each of some hundred steps of time: what a plot can show.

A window of years holds millions of samples and a screen a thousand pixels: of each pixel's
samples the extremes are kept, so that no peak is lost (min-max decimation).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Envelope:
    """``time_s`` (n,) and for each signal low and high (n,), NaN where missing.

    A row of NaN stands where trips are apart, so that no line is drawn across.
    """

    time_s: Floats
    low: dict[str, Floats]
    high: dict[str, Floats]


def envelope(
    time_s: Floats,
    low: dict[str, Floats],
    high: dict[str, Floats],
    stretch: npt.NDArray[np.int64],
    since_s: float,
    until_s: float,
    points: int,
) -> Envelope:
    """At most ``points`` rows of the window (ends included), and the gaps between stretches.

    ``time_s`` (m,) seconds; ``low``, ``high`` (m,) per signal; ``stretch`` (m,) numbers what is
    connected. No row is merged where the window holds at most ``points``.
    """
    inside = np.flatnonzero((time_s >= since_s) & (time_s <= until_s))
    inside = inside[np.argsort(time_s[inside], kind="stable")]
    if inside.size == 0:
        return Envelope(np.empty(0), {n: np.empty(0) for n in low}, {n: np.empty(0) for n in high})
    at, of = time_s[inside], stretch[inside]
    if inside.size <= points:
        start = np.arange(inside.size)
    else:
        step = max((until_s - since_s) / points, 1e-9)
        bucket = np.minimum(((at - since_s) / step).astype(np.int64), points - 1)
        start = np.flatnonzero(np.diff(bucket, prepend=-1))
    lows = {name: np.fmin.reduceat(values[inside], start) for name, values in low.items()}
    highs = {name: np.fmax.reduceat(values[inside], start) for name, values in high.items()}
    # A gap only where two neighbouring rows belong to different stretches from end to end.
    last = np.append(start[1:], inside.size) - 1
    apart = np.flatnonzero(of[start[1:]] != of[last[:-1]]) + 1
    middle = (at[last[apart - 1]] + at[start[apart]]) / 2
    return Envelope(
        np.insert(at[start], apart, middle),
        {name: np.insert(values, apart, np.nan) for name, values in lows.items()},
        {name: np.insert(values, apart, np.nan) for name, values in highs.items()},
    )
