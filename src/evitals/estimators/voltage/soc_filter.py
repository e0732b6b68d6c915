"""State of charge by an extended Kalman filter on a linear circuit, with bias states.

State: SoC, the current sensor's offset b, a slow voltage error d, the branch currents ik::

    i    = measured - b                 soc' = soc + i dt / (3600 Q)
    ik'  = ik + (1 - exp(-dt/tau)) (i - ik)          d' = d exp(-dt/tau_d)
    v    = circuit(soc, T, i, ik) + d + noise

G. Plett, Battery Management Systems, vol. 2, ch. 3 (2016). ``d`` is what the circuit does not
know: without it every sample would count as new evidence though errors last for minutes. A gain
error of the current sensor is no state: on a discharge it moves SoC as an offset does.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from evitals.errors import InputError
from evitals.estimators.estimate import Estimate, unknown
from evitals.estimators.voltage.circuit import Circuit

Array = NDArray[np.float64]

Z90 = 1.6448536269514722
SOC, BIAS, DRIFT, FLOWS = 0, 1, 2, 3
"""Places in the state; a table's column FLOWS + k is the branch's whose current is there."""
SLOPE_SOC = 0.02
"""Half the least SoC over which slopes are taken: a table's knot is no property of the cell."""
LONGEST_STEP_S = 3600.0


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the filter believes. Chosen by cross-validation over training profiles
    (``evitals.models.soc_tuning``); the defaults are a start."""

    error_v: tuple[float, ...]
    """RMS of the circuit's voltage error, V, at each of the circuit's temperatures."""
    drift_share: float = 1.0
    """Size of the slow error over ``error_v``."""
    drift_s: float = 200.0
    """How long the slow error lasts, s."""
    noise_share: float = 1.0
    """Size of the error that is new at every sample over ``error_v``."""
    resistive: float = 0.05
    """Error of the circuit's drop, as a share of R0 times the current."""
    bias_a: float = 0.05
    """Standard deviation of the current sensor's offset, A."""
    bias_walk_a: float = 1e-4
    """By how much the offset wanders in the root of a second, A."""
    flow_a: float = 1.0
    """Standard deviation of the unknown branch currents at the start, A."""
    current_share: float = 0.02
    """Standard deviation of the charge moved in a step, over the charge itself."""
    clip: float = 4.0
    """An innovation beyond so many standard deviations counts as so many (Huber)."""
    widen: float = 1.0
    """How many times wider the interval is than the filter believes: errors of a circuit last
    for hours, and no filter sees that from inside (``soc_tuning.widened``)."""


class SocFilter:
    """The filter of one cell of ``capacity_ah``. One stream; not for several threads.

    ``step`` and ``run`` take current in A (positive while charging), voltage in V, temperature in
    degC, all of one cell. Raises InputError for a tuning that does not fit the circuit.
    """

    def __init__(self, circuit: Circuit, capacity_ah: float, tuning: Tuning) -> None:
        if not (math.isfinite(capacity_ah) and capacity_ah > 0.0):
            raise InputError("capacity_ah", capacity_ah, "is no capacity", "give Ah above 0")
        if len(tuning.error_v) != len(circuit.temperature_degc):
            raise InputError(
                "error_v",
                tuning.error_v,
                f"is not one error for each of {len(circuit.temperature_degc)} temperatures",
                "give V, one a temperature of the circuit",
            )
        self.circuit, self.capacity_ah, self.tuning = circuit, capacity_ah, tuning
        tables = np.ascontiguousarray(circuit.tables)
        if circuit.kinetic_a is None:  # The kernel knows one form: a kinetic term of zero.
            tables = np.insert(tables, 2, 0.0, axis=2)
        self._cell = (
            np.ascontiguousarray(circuit.ocv_soc),
            np.ascontiguousarray(circuit.ocv_v),
            np.ascontiguousarray(circuit.soc),
            np.ascontiguousarray(circuit.temperature_degc),
            tables,
            np.ascontiguousarray(circuit.tau_s),
        )
        t = tuning
        self._numbers = np.array(
            [
                capacity_ah, circuit.kinetic_a or 1.0, t.drift_share, t.drift_s, t.noise_share,
                t.resistive, t.bias_walk_a, t.current_share, t.clip,
            ]
        )  # fmt: skip
        self._errors = np.array(t.error_v)
        self.reset()

    def reset(self, soc: float = 0.5, soc_sigma: float = 0.3, *, rested: bool = False) -> None:
        """Forget all samples; ``soc`` with its standard deviation is what is known before the
        first. ``rested``: no current flowed for long, so the branches are empty."""
        if not (0.0 <= soc <= 1.0 and 0.0 < soc_sigma <= 1.0):
            raise InputError(
                "soc", (soc, soc_sigma), "is no SoC with its deviation", "give fractions, 0 to 1"
            )
        size = FLOWS + len(self.circuit.tau_s)
        flow = 0.05 if rested else self.tuning.flow_a
        drift = self.tuning.drift_share * float(np.max(self._errors))
        self._x = np.zeros(size)
        self._x[SOC] = soc
        self._p = np.diag(
            np.array([soc_sigma, self.tuning.bias_a, drift, *[flow] * (size - FLOWS)]) ** 2
        )
        self.samples = 0

    def step(
        self, dt_s: float, current_a: float, voltage_v: float, temperature_degc: float
    ) -> float:
        """SoC after ``current_a`` flowed for ``dt_s`` and ``voltage_v`` was measured at its end.

        An unknown (NaN) voltage or temperature: the charge is counted, nothing corrected. An
        unknown current: no charge is counted and the SoC less certain. A step time that is
        negative, unknown or above an hour makes the state as uncertain as an hour does.
        """
        soc, _ = self._advance(dt_s, current_a, voltage_v, temperature_degc)
        return float(soc[0])

    def run(self, columns: Mapping[str, ArrayLike]) -> Array:
        """SoC (n,) of columns ``time_s``, ``current_a``, ``voltage_v``, ``temperature_degc``
        (n,): ``step`` after ``step`` from its state, the first step 0 s long."""
        return self.band(columns)[0]

    def band(self, columns: Mapping[str, ArrayLike]) -> tuple[Array, Array]:
        """As ``run``, with half the width of the 90 % interval beside the SoC, (n,) each."""
        time_s = _column(columns, "time_s")
        soc, sigma = self._advance(
            np.diff(time_s, prepend=time_s[:1]),
            *(_column(columns, name) for name in ("current_a", "voltage_v", "temperature_degc")),
        )
        return soc, Z90 * self.tuning.widen * sigma

    def estimate(self) -> Estimate:
        """SoC with its 90 % interval, unknown before the first sample."""
        if not self.samples:
            return unknown("no_sample", source="soc_filter")
        half = Z90 * self.tuning.widen * math.sqrt(float(self._p[SOC, SOC]))
        soc = float(self._x[SOC])
        return Estimate(
            value=soc,
            low=max(soc - half, 0.0),
            high=min(soc + half, 1.0),
            validity="valid" if half < 0.1 else "doubtful",
            reasons=() if half < 0.1 else ("not_settled",),
            source="soc_filter",
        )

    @property
    def bias_a(self) -> float:
        """The current sensor's offset as far as it is known, A."""
        return float(self._x[BIAS])

    def state(self) -> dict[str, Any]:
        """The checkpoint: plain data; ``restore`` goes on from it exactly."""
        return {"x": self._x.tolist(), "p": self._p.tolist(), "samples": self.samples}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()`` of a filter of the same circuit. Raises InputError otherwise."""
        try:
            x, p = np.array(state["x"], float), np.array(state["p"], float)
            samples = int(state["samples"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "state", str(error), "is no state of a SoC filter", "give what `state` gave"
            ) from error
        known = np.all(np.isfinite(x)) and np.all(np.isfinite(p))
        if x.shape != self._x.shape or p.shape != self._p.shape or not known or samples < 0:
            raise InputError(
                "state", x.shape, "is a state of another circuit", "give what `state` gave"
            )
        self._x, self._p, self.samples = x, p, samples

    def _advance(
        self,
        dt_s: ArrayLike,
        current_a: ArrayLike,
        voltage_v: ArrayLike,
        temperature_degc: ArrayLike,
    ) -> tuple[Array, Array]:
        rows = [
            np.atleast_1d(np.asarray(values, np.float64))
            for values in (dt_s, current_a, voltage_v, temperature_degc)
        ]
        if len({len(row) for row in rows}) != 1:
            raise InputError(
                "columns", [len(r) for r in rows], "differ in length", "give one value a row"
            )
        out, sigma = np.empty(len(rows[0])), np.empty(len(rows[0]))
        _kernel(
            self._x, self._p, *(np.ascontiguousarray(row) for row in rows), *self._cell,
            self._numbers, self._errors, out, sigma,
        )  # fmt: skip
        self.samples += len(out)
        return out, sigma


def _column(columns: Mapping[str, ArrayLike], name: str) -> Array:
    if name not in columns:
        raise InputError("columns", sorted(columns), f"lack {name}", "give all four columns")
    return np.asarray(columns[name], np.float64)


def _clipped(x: float, knots: Array) -> tuple[int, float]:
    """The piece that holds ``x`` and how far along it, 0 to 1; held at the ends."""
    n = len(knots)
    if x <= knots[0]:
        return 0, 0.0
    if x >= knots[n - 1]:
        return n - 2, 1.0
    k = int(np.searchsorted(knots, x, side="right")) - 1
    return k, (x - knots[k]) / (knots[k + 1] - knots[k])


_find: Callable[[float, Array], tuple[int, float]] = njit(cache=True)(_clipped)


def _point(
    soc: float, degc: float, ocv_soc: Array, ocv_v: Array, socs: Array, degcs: Array, tables: Array,
    row: Array,
) -> None:  # fmt: skip
    """``row`` (W,): the tables at one point, OCV in place of its correction."""
    i, a = _find(soc, socs)
    j, b = _find(degc, degcs)
    for w in range(len(row)):
        low = (1.0 - a) * tables[i, j, w] + a * tables[i + 1, j, w]
        high = (1.0 - a) * tables[i, j + 1, w] + a * tables[i + 1, j + 1, w]
        row[w] = (1.0 - b) * low + b * high
    k, part = _find(soc, ocv_soc)
    row[0] += (1.0 - part) * ocv_v[k] + part * ocv_v[k + 1]


_at = njit(cache=True)(_point)


def _covariance(p: Array, keep: Array, lean: Array, g: Array) -> None:
    """``p`` after x' = keep x + lean x[BIAS], element by element; ``g`` (N,) is scratch."""
    size = len(p)
    for m in range(size):
        g[m] = p[BIAS, m]
    for m in range(size):
        for n in range(size):
            p[m, n] = keep[m] * p[m, n] + lean[m] * g[n]
    for m in range(size):
        g[m] = p[m, BIAS]
    for m in range(size):
        for n in range(size):
            p[m, n] = keep[n] * p[m, n] + lean[n] * g[m]


_carry = njit(cache=True)(_covariance)


def _expected(
    x: Array, p: Array, current: float, degc: float, i0: float,
    ocv_soc: Array, ocv_v: Array, socs: Array, degcs: Array, tables: Array, rows: Array, h: Array,
) -> float:  # fmt: skip
    """The voltage to be measured, V, and in ``h`` (N,) how it moves with each state."""
    row, above, below = rows[0], rows[1], rows[2]
    soc = min(max(x[SOC], 0.0), 1.0)
    # The secant over what the SoC may be: a local slope leads a lost filter astray.
    reach = max(SLOPE_SOC, math.sqrt(max(p[SOC, SOC], 0.0)))
    up, down = min(soc + reach, 1.0), max(soc - reach, 0.0)
    _at(soc, degc, ocv_soc, ocv_v, socs, degcs, tables, row)
    _at(up, degc, ocv_soc, ocv_v, socs, degcs, tables, above)
    _at(down, degc, ocv_soc, ocv_v, socs, degcs, tables, below)
    bent = math.asinh(current / i0)
    expected = row[0] + row[1] * current + row[2] * bent + x[DRIFT]
    slope = above[0] - below[0] + (above[1] - below[1]) * current
    slope += (above[2] - below[2]) * bent
    h[BIAS] = -row[1] - row[2] / math.sqrt(i0 * i0 + current * current)
    h[DRIFT] = 1.0
    for n in range(FLOWS, len(x)):
        expected += row[n] * x[n]
        slope += (above[n] - below[n]) * x[n]
        h[n] = row[n]
    h[SOC] = slope / (up - down)
    return float(expected)


_expect = njit(cache=True)(_expected)


def _corrected(
    x: Array, p: Array, h: Array, g: Array, miss: float, noise: float, clip: float
) -> None:
    """``x`` and ``p`` after a measurement that was ``miss`` off; ``noise`` its variance."""
    size, spread = len(x), noise
    for m in range(size):
        g[m] = 0.0
        for n in range(size):
            g[m] += p[m, n] * h[n]
        spread += h[m] * g[m]
    limit = clip * math.sqrt(spread)
    share = min(max(miss, -limit), limit) / spread
    for m in range(size):
        x[m] += g[m] * share
        for n in range(size):
            p[m, n] -= g[m] * g[n] / spread


_correct = njit(cache=True)(_corrected)


def _filter(
    x: Array, p: Array, dt_s: Array, current_a: Array, voltage_v: Array, degc: Array,
    ocv_soc: Array, ocv_v: Array, socs: Array, degcs: Array, tables: Array, tau_s: Array,
    numbers: Array, errors: Array, out: Array, sigma: Array,
) -> None:  # fmt: skip
    """Predict and correct ``x`` (N,) and ``p`` (N, N) in place, sample after sample."""
    capacity, i0, drift_share, drift_s, noise_share, resistive, walk, share, clip = (
        numbers[0], numbers[1], numbers[2], numbers[3], numbers[4],
        numbers[5], numbers[6], numbers[7], numbers[8],
    )  # fmt: skip
    size, charge = len(x), 3600.0 * capacity
    rows = np.empty((3, tables.shape[2]))
    keep, lean, h, g = np.ones(size), np.zeros(size), np.zeros(size), np.empty(size)
    warmest = degcs[-1]
    for k in range(len(dt_s)):
        dt = dt_s[k]
        if not 0.0 <= dt <= LONGEST_STEP_S:
            dt = LONGEST_STEP_S
            known = False
        else:
            known = np.isfinite(current_a[k])
        temperature = degc[k] if np.isfinite(degc[k]) else warmest
        j, b = _find(temperature, degcs)
        error = (1.0 - b) * errors[j] + b * errors[j + 1]
        current = current_a[k] - x[BIAS] if known else 0.0
        # Predict: x' = keep x + lean x[BIAS], element by element.
        x[SOC] += current * dt / charge
        lean[SOC] = -dt / charge if known else 0.0
        keep[DRIFT] = math.exp(-dt / drift_s)
        x[DRIFT] *= keep[DRIFT]
        for m in range(len(tau_s)):
            n = FLOWS + m
            keep[n] = math.exp(-dt / tau_s[m])
            lean[n] = keep[n] - 1.0 if known else 0.0
            x[n] += (1.0 - keep[n]) * (current - x[n])
        _carry(p, keep, lean, g)
        # An unknown current is taken to lie within a rate of one an hour.
        moved = share * abs(current) if known else capacity
        p[SOC, SOC] += (moved * dt / charge) ** 2
        p[BIAS, BIAS] += walk * walk * dt
        p[DRIFT, DRIFT] += (drift_share * error) ** 2 * (1.0 - keep[DRIFT] ** 2)
        if not known:
            for n in range(FLOWS, size):
                p[n, n] += (capacity * (1.0 - keep[n])) ** 2
        # Correct.
        if known and np.isfinite(voltage_v[k]) and np.isfinite(degc[k]):
            expected = _expect(
                x, p, current, temperature, i0, ocv_soc, ocv_v, socs, degcs, tables, rows, h
            )
            drop = resistive * rows[0, 1] * current
            noise = (noise_share * error) ** 2 + drop * drop
            _correct(x, p, h, g, voltage_v[k] - expected, noise, clip)
        x[SOC] = min(max(x[SOC], 0.0), 1.0)
        out[k] = x[SOC]
        sigma[k] = math.sqrt(max(p[SOC, SOC], 0.0))


_kernel: Callable[..., None] = njit(cache=True)(_filter)
