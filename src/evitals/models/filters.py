"""Causal filters over time in seconds, whole and sample by sample.

A sample stands for the interval that ends at it, so a mean over time needs no future sample.
"""

import math
from collections import deque

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Ema:
    """First-order low-pass (exponential mean over time) of time constant ``tau_s``.

    ``y_k = x_k + (y_{k-1} - x_k) exp(-dt_k / tau)``, exact for a value held over ``dt_k``. It
    begins at ``start``, or at the first sample where that is None.
    """

    def __init__(self, tau_s: float, start: float | None = None) -> None:
        self.tau_s = tau_s
        self.start = start
        self.reset()

    def reset(self) -> None:
        """Forget every sample."""
        self._value = self.start
        self._time: float | None = None

    def step(self, time_s: float, value: float) -> float:
        """The mean after one more sample."""
        before = value if self._value is None else self._value
        dt = 0.0 if self._time is None else time_s - self._time
        self._time = time_s
        self._value = value + (before - value) * math.exp(-dt / self.tau_s)
        return self._value

    def run(self, time_s: Array, values: Array) -> Array:
        """The same over a whole stretch, shape (n,)."""
        if not len(values):
            return np.zeros(0)
        start = float(values[0]) if self.start is None else self.start
        return np.asarray(_ema(time_s, values, self.tau_s, start))


def _ema_loop(time_s: Array, values: Array, tau_s: float, start: float) -> Array:
    out = np.empty_like(values)
    state, last = start, time_s[0]
    for k in range(len(values)):
        state = values[k] + (state - values[k]) * math.exp(-(time_s[k] - last) / tau_s)
        last = time_s[k]
        out[k] = state
    return out


_ema = njit(cache=True)(_ema_loop)


class MovingMean:
    """Mean over the last ``window_s`` seconds; at the start over what there is."""

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self.reset()

    def reset(self) -> None:
        """Forget every sample."""
        self._past: deque[tuple[float, float]] = deque()

    def step(self, time_s: float, value: float) -> float:
        """The mean after one more sample."""
        past = self._past
        if not past:
            past.append((time_s, 0.0))
            return value
        time_0, total_0 = past[-1]
        past.append((time_s, total_0 + value * (time_s - time_0)))
        low = time_s - self.window_s
        while past[1][0] <= low:
            past.popleft()
        (left_s, left), (right_s, right) = past[0], past[1]
        if low <= left_s:
            low, at = left_s, left
        else:
            at = left + (right - left) * (low - left_s) / (right_s - left_s)
        return (past[-1][1] - at) / (time_s - low)

    def run(self, time_s: Array, values: Array) -> Array:
        """The same over a whole stretch, shape (n,)."""
        if len(values) < 2:
            return values.copy()
        total = integral(time_s, values)
        low = np.maximum(time_s - self.window_s, time_s[0])
        out = np.empty_like(values)
        out[0] = values[0]
        out[1:] = (total - np.interp(low, time_s, total))[1:] / (time_s - low)[1:]
        return out


def integral(time_s: Array, values: Array) -> Array:
    """Integral over time from the first sample, each value held over the interval before it."""
    out = np.zeros_like(values)
    np.cumsum(values[1:] * np.diff(time_s), out=out[1:])
    return out


def mean_over(time_s: Array, values: Array, grid_s: Array, step_s: float) -> Array:
    """Mean over the ``step_s`` before each time of ``grid_s``: a charge stays what it was."""
    total = integral(time_s, values)
    return np.asarray(
        (np.interp(grid_s, time_s, total) - np.interp(grid_s - step_s, time_s, total)) / step_s
    )


LOWPASS_ORDER = 8
LOWPASS_CUT = 0.3
"""Cut-off as a share of the new rate: what would alias below it is down by more than 55 dB."""


def lowpass(time_s: Array, values: Array, grid_s: Array, step_s: float) -> Array:
    """Causal Butterworth low-pass (order 8, 0.3 of the new rate), then the newest sample.

    ``time_s`` must be even. All columns are delayed alike, by about 2.7 ``step_s``.
    """
    from scipy.signal import butter, sosfilt, sosfilt_zi

    dt = float(np.median(np.diff(time_s)))
    sections = butter(LOWPASS_ORDER, LOWPASS_CUT / step_s, fs=1.0 / dt, output="sos")
    smooth, _ = sosfilt(sections, values, zi=sosfilt_zi(sections) * values[0])
    newest = np.searchsorted(time_s, grid_s + 1e-6 * step_s, side="right") - 1
    return np.asarray(smooth[newest])
