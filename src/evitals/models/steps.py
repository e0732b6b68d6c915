"""The steps a recipe is made of, as plain data: resample, assume, filters, formulas, disturbances.

Every step knows its arithmetic and nothing of where it is used.
"""

from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.models import filters
from evitals.models.formula import FUNCTIONS, Formula, parse

Array = NDArray[np.float64]
Draw = np.random.Generator

Name = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$(?!\n)")]
Seconds = Annotated[float, Meta(ge=1e-3, le=1e7)]
Size = Annotated[float, Meta(gt=0.0, le=1e6)]
Finite = Annotated[float, Meta(ge=-1e6, le=1e6)]

EVEN = 0.1
"""Intervals that differ from their median by at most this share are even."""

parsed = lru_cache(maxsize=1024)(parse)


class Resample(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Fewer samples without aliasing, stamped at the end of their interval.

    ``mean``: the mean over each new interval, so charge is kept; any sampling. ``lowpass``: a
    causal Butterworth filter of order 8 at 0.3 of the new rate, then every newest sample; even
    sampling at twice the new rate or faster.
    """

    step_s: Seconds
    method: Literal["mean", "lowpass"] = "mean"

    def grid(self, time_s: Array) -> Array:
        """The new times, s, shape (m,): whole intervals only."""
        count = int(np.floor((time_s[-1] - time_s[0]) / self.step_s + 1e-6))
        return np.asarray(time_s[0] + self.step_s * np.arange(1, count + 1))

    def check(self, time_s: Array) -> None:
        """Raises InputError where it would make samples up, or cannot filter."""
        steps = np.diff(time_s)
        usual = float(np.median(steps))
        if self.step_s < usual * (1.0 - EVEN):
            raise InputError(
                "resample.step_s",
                self.step_s,
                f"is shorter than the {usual:.4g} s between samples: it would invent some",
                f"use {usual:.4g} s or more",
                reason="invented_samples",
            )
        uneven = bool((np.abs(steps - usual) > EVEN * usual).any())
        if self.method == "lowpass" and (uneven or self.step_s < 2.0 * usual * (1.0 - 1e-6)):
            why = "uneven intervals" if uneven else f"{usual:.4g} s between samples"
            raise InputError(
                "resample.method",
                self.method,
                f"does not fit {why}",
                'use "mean", or a step of two samples and more of an even recording',
                reason="no_lowpass",
            )

    def run(self, time_s: Array, values: Array, grid_s: Array) -> Array:
        """One column on the new times."""
        how = filters.mean_over if self.method == "mean" else filters.lowpass
        return how(time_s, values, grid_s, self.step_s)


class Assume(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="assume"):
    """A constant for a column that a test lacks altogether, with the reason; recorded."""

    column: Name
    value: Finite
    why: Annotated[str, Meta(min_length=3, max_length=200)]


class Ema(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="ema"):
    """First-order low-pass of ``column``; begins at ``start``, or at the "first" sample."""

    column: Name
    tau_s: Seconds
    output: Name
    start: Finite | Literal["first"] = 0.0

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns it needs."""
        return (self.column,)

    @property
    def memory_s(self) -> float:
        """How far back it remembers, s."""
        return self.tau_s

    def filter(self) -> filters.Ema:
        """A fresh filter."""
        return filters.Ema(self.tau_s, None if self.start == "first" else float(self.start))


class MovingMean(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="moving_mean"):
    """Mean of ``column`` over the last ``window_s`` seconds."""

    column: Name
    window_s: Seconds
    output: Name

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns it needs."""
        return (self.column,)

    @property
    def memory_s(self) -> float:
        """How far back it remembers, s."""
        return self.window_s

    def filter(self) -> filters.MovingMean:
        """A fresh filter."""
        return filters.MovingMean(self.window_s)


class Column(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="formula"):
    """A column by formula; see evitals.models.formula for the language."""

    formula: str
    output: Name

    def __post_init__(self) -> None:
        if self.output in FUNCTIONS:
            raise InputError("output", self.output, "is a function's name", "choose another")
        parsed(self.formula)

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns it needs."""
        return self.compiled.columns

    @property
    def memory_s(self) -> float:
        """It remembers nothing."""
        return 0.0

    @property
    def compiled(self) -> Formula:
        """The parsed formula."""
        return parsed(self.formula)


Step = Ema | MovingMean | Column


class Noise(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="noise"):
    """White Gaussian noise of standard deviation ``sigma``, in the column's unit."""

    column: Name
    sigma: Size

    def error(self, time_s: Array, values: Array, draw: Draw) -> Array:  # noqa: ARG002
        """What is added, shape (n,)."""
        return draw.normal(0.0, self.sigma, len(values))


class Offset(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="offset"):
    """One constant a copy, uniform within +/- ``half_width``.

    ``counts_ah``: for a current, the capacity over which a counter adds the error into ``soc``.
    """

    column: Name
    half_width: Size
    counts_ah: Size | None = None

    def error(self, time_s: Array, values: Array, draw: Draw) -> Array:  # noqa: ARG002
        """What is added, shape (n,)."""
        return np.full(len(values), draw.uniform(-self.half_width, self.half_width))


class Gain(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="gain"):
    """One relative error a copy, uniform within +/- ``half_width``; ``counts_ah`` as in Offset."""

    column: Name
    half_width: Annotated[float, Meta(gt=0.0, le=1.0)]
    counts_ah: Size | None = None

    def error(self, time_s: Array, values: Array, draw: Draw) -> Array:  # noqa: ARG002
        """What is added, shape (n,)."""
        return draw.uniform(-self.half_width, self.half_width) * values


class Drift(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="drift"):
    """A slow error: Gauss-Markov of standard deviation ``sigma``, correlation time ``tau_s``.

    ``e_k = a e_{k-1} + sigma sqrt(1 - a^2) n_k`` with ``a = exp(-dt_k / tau)`` (Gelb, Applied
    Optimal Estimation, 1974, ch. 3); ``counts_ah`` as in Offset.
    """

    column: Name
    sigma: Size
    tau_s: Seconds = 1800.0
    counts_ah: Size | None = None

    def error(self, time_s: Array, values: Array, draw: Draw) -> Array:
        """What is added, shape (n,)."""
        shares = np.exp(-np.diff(time_s, prepend=time_s[0]) / self.tau_s)
        noise = self.sigma * draw.normal(size=len(values))
        noise[1:] *= np.sqrt(1.0 - shares[1:] ** 2)
        state, out = 0.0, np.empty(len(values))
        for k, (share, kick) in enumerate(zip(shares.tolist(), noise.tolist(), strict=True)):
            state = share * state + kick
            out[k] = state
        return out


Disturbance = Noise | Offset | Gain | Drift
