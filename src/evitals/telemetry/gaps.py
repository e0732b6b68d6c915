"""Where a recording is interrupted."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GAP_S = 10.0
"""No step up to this long is a gap."""
GAP_STEPS = 5.0
"""A step longer than this many usual steps is a gap."""
GAP_MAX_S = 600.0
"""A step longer than this is always a gap."""
GAP_WINDOW = 11
"""The usual step is the median of this many steps around."""


def gap_rows(time: Floats) -> npt.NDArray[np.intp]:
    """Rows that follow a gap or a step back in time, shape (k,), for times in s, shape (n,)."""
    if len(time) < 2:
        return np.zeros(0, dtype=np.intp)
    steps = np.diff(time)
    suspects = np.flatnonzero((steps > GAP_S) | (steps < 0.0))
    if not len(suspects):
        return suspects
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(np.abs(steps), GAP_WINDOW // 2, mode="symmetric"), GAP_WINDOW
    )
    usual = np.median(around[suspects], axis=1)
    size = steps[suspects]
    gaps: npt.NDArray[np.intp] = suspects[
        (size < 0.0) | (size > np.minimum(GAP_STEPS * usual, GAP_MAX_S))
    ]
    return gaps + 1
