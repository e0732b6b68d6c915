"""Resistance growth of a battery, from the current steps of its trips.

A trip's incremental resistance is compared with the tables at the same SoC, temperature and time
scale::

    y = ln(measured / (tables / reference capacity)) = base + growth + arrhenius(T) heat + noise

``base`` is this battery's design against the measured cell (constant), ``heat`` how much steeper
or flatter its resistance falls with temperature (constant), ``growth`` a random walk that starts
at 0 with the first evidence. A Kalman filter estimates the three; an outlier's noise is inflated to
its own size (Huber's rule), so one bad trip moves little and a lasting change is followed.

What growth is relative to: nobody tells the resistance of *this* battery when it was new, and the
first evidence holds design and earlier ageing inseparably. So growth is 1 at the first evidence,
the reason ``baseline_first_evidence`` says so, and the interval is widened by what may have
happened before (``AGED_BEFORE``). ``level`` - the resistance over the tables' - needs no such
assumption: power is computed from it.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Battery
from evitals.cells.chemistry import chemistry
from evitals.cells.point import point_tables
from evitals.errors import InputError, UnsupportedChemistry
from evitals.estimators.estimate import Estimate, unknown

STEP_S = 1.0
"""Time scale of the steps that features measure (1 to 2.5 s apart, current moving between)."""
MIN_STEPS = 20
MIN_EVIDENCE = 5
MAX_RELATIVE_SIGMA = 0.1
MAX_LOG_RATIO = 1.8
"""A factor of six against the tables is a wrong description or a broken sensor, not a battery."""

BASE_SIGMA = 0.4
HEAT_SIGMA = 0.15
"""Per 10 K. The NMC and NCA cells' own slopes differ by less; the BMW i3 differs by 0.16."""
TRIP_SIGMA = 0.06
"""Of one trip's ln R: twice the scatter of the BMW i3's trips, as their errors are alike."""
WALK_SIGMA = 0.02
"""Growth of ln R in 30 days: 0.2 in eight years."""
AGED_BEFORE = 0.15
OUTLIER = 3.0
Z90 = 1.6448536269514722
MONTH_S = 30.0 * 86400.0

Matrix = NDArray[np.float64]


class ResistanceFilter:
    """Slowly varying resistance of one battery: ``reset / step / estimate / state / restore``.

    Steps must come in event order; ``min_evidence`` trips are needed before it answers. A chemistry
    without tables is answered "unknown" for ever.
    """

    def __init__(self, battery: Battery, min_evidence: int = MIN_EVIDENCE) -> None:
        self._battery = battery
        self._min_evidence = min_evidence
        try:
            self._tables = point_tables(battery.chemistry)
            self._unsupported = ""
        except UnsupportedChemistry as error:
            self._unsupported = error.reason
        self._scale = battery.series / battery.reference_capacity_ah
        self.reset()

    def reset(self) -> None:
        """Forget all evidence."""
        self._mean: Matrix = np.zeros(3)
        self._cov: Matrix = np.diag([BASE_SIGMA**2, 0.0, HEAT_SIGMA**2])
        self._count = 0
        self._last_s: float | None = None
        self._first: list[list[float]] = []

    @property
    def evidence_count(self) -> int:
        """How many trips were accepted."""
        return self._count

    def step(
        self,
        *,
        event_s: float,
        resistance_ohm: float,
        soc: float,
        temperature_degc: float,
        steps: float,
        sigma_ohm: float = 0.0,
    ) -> str:
        """Fold one trip's features (NaN where missing, ohm at the battery's level).

        Returns "" where accepted, else why not: ``unsupported_chemistry``, ``no_resistance``,
        ``few_resistance_steps``, ``noisy_resistance``, ``temperature_outside_tables``,
        ``soc_outside_tables``, ``implausible_resistance``. Raises InputError where ``event_s`` runs
        backward.
        """
        if self._last_s is not None and event_s < self._last_s:
            raise InputError("event_s", event_s, "runs backward", "replay the trips in event order")
        refused = self._refusal(resistance_ohm, soc, temperature_degc, steps, sigma_ohm)
        if refused:
            return refused
        table = self._scale * self._tables.step_resistance(soc, temperature_degc, STEP_S)
        ratio = math.log(resistance_ohm / table)
        if abs(ratio) > MAX_LOG_RATIO:
            return "implausible_resistance"
        sigma = sigma_ohm if sigma_ohm > 0.0 else 0.0
        noise = TRIP_SIGMA**2 + (sigma / resistance_ohm) ** 2
        self._count += 1
        if self._count <= self._min_evidence:
            self._first.append([ratio, _heat(temperature_degc), noise])
            if self._count == self._min_evidence:
                self._begin()
        else:
            assert self._last_s is not None
            self._cov[1, 1] += WALK_SIGMA**2 * (event_s - self._last_s) / MONTH_S
            self._update(ratio, _heat(temperature_degc), noise)
        self._last_s = event_s
        return ""

    def _begin(self) -> None:
        """Fold the first evidence, nearest to its median first: an outlier among it meets a filter
        that already knows better."""
        middle = float(np.median([one[0] for one in self._first]))
        for ratio, heat, noise in sorted(self._first, key=lambda one: abs(one[0] - middle)):
            self._update(ratio, heat, noise)
        self._first = []

    def _refusal(
        self, resistance: float, soc: float, temperature: float, steps: float, sigma: float
    ) -> str:
        if self._unsupported:
            return self._unsupported
        if not (resistance > 0.0 and math.isfinite(resistance + soc + temperature)):
            return "no_resistance"
        if not steps >= MIN_STEPS:
            return "few_resistance_steps"
        if sigma > MAX_RELATIVE_SIGMA * resistance:
            return "noisy_resistance"
        reasons = chemistry(self._battery.chemistry).range_reasons(soc, temperature)
        return reasons[0] if reasons else ""

    def _update(self, ratio: float, heat: float, noise: float) -> None:
        row = np.array([1.0, 1.0, heat])
        spread = self._cov @ row
        innovation = ratio - float(row @ self._mean)
        total = float(row @ spread) + noise
        excess = abs(innovation) / (OUTLIER * math.sqrt(total))
        if excess > 1.0:
            # Huber: beyond the limit the pull grows no more.
            total = float(row @ spread) + noise * excess**2
        self._mean = self._mean + spread * (innovation / total)
        self._cov = self._cov - np.outer(spread, spread) / total

    def estimate(self) -> Estimate:
        """Resistance over that at the first evidence, with the 90 % interval over that of a new
        battery; unknown (``few_resistance_evidence``) until there is enough."""
        missing = self._missing()
        if missing is not None:
            return missing
        sigma = math.sqrt(float(self._cov[1, 1]) + AGED_BEFORE**2)
        return _answer(float(self._mean[1]), sigma, ("baseline_first_evidence",))

    def level(self, temperature_degc: float = 25.0) -> Estimate:
        """Resistance over the tables' at a temperature: what ``power.sop`` takes as growth."""
        missing = self._missing()
        if missing is not None:
            return missing
        row = np.array([1.0, 1.0, _heat(temperature_degc)])
        variance = float(row @ self._cov @ row) + (0.5 * TRIP_SIGMA) ** 2
        return _answer(float(row @ self._mean), math.sqrt(variance), ())

    def _missing(self) -> Estimate | None:
        if self._unsupported:
            return unknown(self._unsupported, source="circuit")
        if self._count < self._min_evidence:
            return unknown("few_resistance_evidence", source="circuit")
        return None

    def state(self) -> dict[str, Any]:
        """The checkpoint: plain JSON-able data."""
        return {
            "mean": self._mean.tolist(),
            "cov": self._cov.tolist(),
            "count": self._count,
            "last_s": self._last_s,
            "first": [list(one) for one in self._first],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()``. Raises InputError where it does not hold one."""
        try:
            mean, cov = np.array(state["mean"], float), np.array(state["cov"], float)
            count, last = int(state["count"]), state["last_s"]
            first = [[float(x) for x in one] for one in state["first"]]
            good = mean.shape == (3,) and cov.shape == (3, 3) and count >= 0
            good = good and bool(np.isfinite(mean).all() and np.isfinite(cov).all())
            good = good and all(len(one) == 3 for one in first)
            last_s = None if last is None else float(last)
        except (KeyError, TypeError, ValueError):
            good = False
        if not good:
            raise InputError(
                "state", state, "is not a resistance filter's", "replay the battery's trips"
            )
        self._mean, self._cov, self._count, self._last_s = mean, cov, count, last_s
        self._first = first


def _heat(temperature_degc: float) -> float:
    """Arrhenius' abscissa, about (T - 25) / 10 near 25 degC."""
    return 29.815 * (1.0 - 298.15 / (273.15 + temperature_degc))


def _answer(mean: float, sigma: float, reasons: tuple[str, ...]) -> Estimate:
    return Estimate(
        value=math.exp(mean),
        low=math.exp(mean - Z90 * sigma),
        high=math.exp(mean + Z90 * sigma),
        validity="valid",
        reasons=reasons,
        source="circuit",
    )
