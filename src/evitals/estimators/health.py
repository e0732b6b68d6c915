"""State of health: all evidence of a battery fused into a slowly varying capacity.

A Kalman filter over nine numbers, in logarithms so that every error is relative::

    K        ln(capacity) + g     a random walk that fades; g is the current sensor's gain error
    b        ln(1 + error of the capacity the BMS believes in), constant
    o        current offset in A, constant
    t        error of the OCV table at six SoC, V: a smooth curve, constant

    bms_soc:  z = K + b + noise
    ocv:      z = K + offset_per_a o + table . t + noise
    bms_rest: z = K + offset_per_a o + noise

The gain is common to all that the sensor measures and never seen by it, so it is no state: it is
added to every interval as a uniform error. b has a uniform prior: the filter runs with a normal one
of the same variance, and because b is constant the answer can be reweighted exactly from the one
prior to the other. Noise is Student-t (4 degrees of freedom) by reweighting with the innovation, as
in: Agamennoni, Nieto, Nebot, IEEE Trans. Signal Process. 60 (2012) 5024.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Battery
from evitals.errors import InputError
from evitals.estimators.answer import Method
from evitals.estimators.capacity import Measurement
from evitals.estimators.estimate import Estimate, unknown
from evitals.estimators.mixture import quantile
from evitals.estimators.rests import TABLE_NODES, TABLE_SIGMA_V, table_covariance
from evitals.settings import Settings

PRIOR_SIGMA = 0.4
"""Of ln(capacity / reference) before any evidence."""
FADE_PER_YEAR = 0.02
WALK_SIGMA = 0.02
"""Of ln(capacity) in a year, about the fade."""
FREEDOM = 4.0
EARLY = 5
"""Observations that are ordered before they are believed."""
NODES = 33
MIN_SIGMA = 1e-4
PLAUSIBLE_SOH = (0.3, 1.15)
LOW, HIGH = 0.05, 0.95
YEAR_S = 365.25 * 86400.0
METHODS: tuple[Method, ...] = ("bms_soc", "ocv", "bms_rest")

Array = NDArray[np.float64]
_K, _B, _O = range(3)
_NODES = len(TABLE_NODES)
_SIZE = 3 + _NODES


class HealthFilter:
    """Capacity and SoH of one battery: ``reset / step / soh / capacity / state / restore``."""

    def __init__(self, battery: Battery, settings: Settings) -> None:
        self._reference = battery.reference_capacity_ah
        self._gain = math.log1p(battery.sensors.current_gain)
        self._half = math.log1p(settings.bms_capacity_error)
        self._offset = battery.sensors.current_offset_a / math.sqrt(3.0)
        self._table_prior = table_covariance(TABLE_SIGMA_V)
        self._needed = settings.min_evidence
        self.reset()

    def reset(self) -> None:
        """Forget all evidence."""
        self._mean, self._cov = self._prior()
        self._early: list[list[float]] = []
        self._last_s: int | None = None
        self._counts: dict[Method, int] = dict.fromkeys(METHODS, 0)
        self._refusals: dict[Method, str] = dict.fromkeys(METHODS, "")
        self._table: Array = np.zeros(_NODES)
        """Mean ``Measurement.table`` of the accepted OCV evidence."""

    def _prior(self) -> tuple[Array, Array]:
        mean, cov = np.zeros(_SIZE), np.zeros((_SIZE, _SIZE))
        mean[_K] = math.log(self._reference)
        cov[_K, _K] = PRIOR_SIGMA**2
        cov[_B, _B] = max(self._half, 1e-9) ** 2 / 3.0
        cov[_O, _O] = self._offset**2
        cov[3:, 3:] = self._table_prior
        return mean, cov

    @property
    def evidence_count(self) -> int:
        """Accepted measurements of both methods."""
        return sum(self._counts.values())

    def step(self, measurement: Measurement) -> None:
        """Fold one measurement, in event order. Raises InputError where time runs backward."""
        e = measurement.evidence
        if self._last_s is not None and e.event_s < self._last_s:
            raise InputError("event_s", e.event_s, "runs backward", "replay the trips in order")
        self._advance(e.event_s)
        if e.refused or e.capacity_ah is None:
            self._refusals[e.method] = e.refused
            return
        self._counts[e.method] += 1
        believed = 1.0 if e.method == "bms_soc" else 0.0
        table = measurement.table or (0.0,) * _NODES
        row = [1.0, believed, measurement.offset_per_a, *table]
        if e.method == "ocv":
            self._table += (np.array(measurement.table) - self._table) / self._counts["ocv"]
        observation = [math.log(e.capacity_ah), measurement.sigma**2, *row]
        if len(self._early) < EARLY:
            self._early.append(observation)
            self._begin()
        else:
            self._update(observation)

    def _begin(self) -> None:
        """Fold the first observations anew, the ones nearest to their median first.

        The filter trusts what it has: an outlier must not be the first it gets.
        """
        self._mean, self._cov = self._prior()
        middle = float(np.median([z for z, *_ in self._early]))
        for observation in sorted(self._early, key=lambda o: abs(o[0] - middle)):
            self._update(observation)

    def _advance(self, event_s: int) -> None:
        if self._last_s is not None and self.evidence_count:
            years = (event_s - self._last_s) / YEAR_S
            self._mean[_K] -= FADE_PER_YEAR * years
            self._cov[_K, _K] += WALK_SIGMA**2 * years
        self._last_s = event_s

    def _update(self, observation: list[float]) -> None:
        """Kalman update with [z, noise variance, *row of the measurement matrix]."""
        seen, noise, row = observation[0], observation[1], np.array(observation[2:])
        spread = self._cov @ row
        inner = float(row @ spread)
        innovation = seen - float(row @ self._mean)
        distance = innovation**2 / (inner + noise)
        weight = min((FREEDOM + 1.0) / (FREEDOM + distance), 1.0)
        total = inner + noise / weight
        self._mean = self._mean + spread * (innovation / total)
        cov = self._cov - np.outer(spread, spread) / total
        self._cov = 0.5 * (cov + cov.T)

    def soh(self) -> Estimate:
        """Capacity over the reference capacity; the interval holds every error the two methods
        may have, also those no evidence of this battery can show."""
        missing = self._missing(*METHODS)
        if missing is not None:
            return missing
        means, weights, sigma = self._nodes()
        value = math.exp(float(weights @ means)) / self._reference
        known = [m for m in METHODS if self._counts[m] >= self._needed]
        reasons = (f"{known[0]}_only",) if len(known) == 1 else ()
        return self._answer(value, means, weights, sigma, reasons, 1.0 / self._reference)

    def capacity(self, method: Method) -> Estimate:
        """Capacity in Ah as one method measures it.

        ``bms_soc``: interval of measurement and current gain only, so it may embed the BMS's own
        capacity error. ``ocv``: with the OCV table's error as well.
        """
        missing = self._missing(method)
        if missing is not None:
            return missing
        row, variance = np.zeros(_SIZE), 0.0
        row[_K], row[_B] = 1.0, float(method == "bms_soc")
        if method == "ocv":
            row[3:] = self._table
            variance = float(self._table @ self._table_prior @ self._table)
        mean = float(row @ self._mean)
        variance += float(row @ self._cov @ row)
        sigma = max(math.sqrt(max(variance, 0.0)), MIN_SIGMA)
        return self._answer(
            math.exp(mean), np.array([mean]), np.ones(1), sigma, (), 1.0, source=method
        )

    def _missing(self, *methods: Method) -> Estimate | None:
        if any(self._counts[m] >= self._needed for m in methods):
            return None
        reasons = ["few_evidence"] if any(self._counts[m] for m in methods) else []
        reasons += [self._refusals[m] for m in methods if self._refusals[m]]
        source = methods[0] if len(methods) == 1 else ""
        return unknown(*dict.fromkeys(reasons or ["no_evidence"]), source=source)

    def _nodes(self) -> tuple[Array, Array, float]:
        """K as a mixture over b: means and weights (NODES,), and the common sigma."""
        mean, cov = self._mean, self._cov
        variance = float(cov[_B, _B])
        if self._half < 1e-6 or variance < 1e-12:
            sigma = math.sqrt(max(float(cov[_K, _K]), 0.0))
            return np.array([float(mean[_K])]), np.ones(1), max(sigma, MIN_SIGMA)
        b = self._half * (2.0 * np.arange(NODES) + 1.0 - NODES) / NODES
        # Posterior over the normal prior, times the uniform one: the likelihood of b.
        log = -0.5 * (b - mean[_B]) ** 2 / variance + 0.5 * b**2 / (self._half**2 / 3.0)
        weights = np.exp(log - log.max())
        weights /= weights.sum()
        slope = float(cov[_K, _B]) / variance
        rest = float(cov[_K, _K]) - slope * float(cov[_K, _B])
        means = mean[_K] + slope * (b - mean[_B])
        # Between two nodes b is uniform as well: that width belongs to the components.
        rest += (slope * self._half / NODES) ** 2 / 3.0
        return means, weights, max(math.sqrt(max(rest, 0.0)), MIN_SIGMA)

    def _answer(
        self,
        value: float,
        means: Array,
        weights: Array,
        sigma: float,
        reasons: tuple[str, ...],
        scale: float,
        source: str = "",
    ) -> Estimate:
        low, high = (
            scale * math.exp(quantile(share, means, weights, sigma, self._gain))
            for share in (LOW, HIGH)
        )
        soh = value / (scale * self._reference)
        plausible = PLAUSIBLE_SOH[0] <= soh <= PLAUSIBLE_SOH[1]
        return Estimate(
            value=value,
            low=min(low, value),
            high=max(high, value),
            validity="valid" if plausible else "doubtful",
            reasons=reasons if plausible else (*reasons, "out_of_range"),
            source=source or "+".join(m for m in METHODS if self._counts[m]),
        )

    def state(self) -> dict[str, Any]:
        """The checkpoint: plain JSON-able data, exact."""
        return {
            "mean": self._mean.tolist(),
            "cov": self._cov.tolist(),
            "last_s": self._last_s,
            "counts": dict(self._counts),
            "refusals": dict(self._refusals),
            "table": self._table.tolist(),
            "early": [list(o) for o in self._early],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()``. Raises InputError where it does not hold one."""
        try:
            mean, cov = np.array(state["mean"], float), np.array(state["cov"], float)
            counts = {m: int(state["counts"][m]) for m in METHODS}
            refusals = {m: str(state["refusals"][m]) for m in METHODS}
            last_s = None if state["last_s"] is None else int(state["last_s"])
            table = np.array(state["table"], float)
            early = [[float(x) for x in o] for o in state["early"]]
            good = len(early) <= EARLY and all(len(o) == 2 + _SIZE for o in early)
            good = good and mean.shape == (_SIZE,) and cov.shape == (_SIZE, _SIZE)
            good = good and table.shape == (_NODES,)
            good = good and bool(np.isfinite(mean).all() and np.isfinite(cov).all())
        except (KeyError, TypeError, ValueError):
            good = False
        if not good:
            raise InputError(
                "state", state, "is not a health filter's", "replay the battery's trips"
            )
        self._mean, self._cov, self._last_s = mean, cov, last_s
        self._counts, self._refusals, self._table, self._early = counts, refusals, table, early
