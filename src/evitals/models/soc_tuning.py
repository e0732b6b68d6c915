"""The SoC filter put to the test, and its tuning chosen on drives its circuit has not seen.

A drive is started at several states of charge, with a wrong first SoC and a sensor that errs; what
counts is how fast the error goes and what remains. Tunings are compared by leaving one profile
out: circuit and voltage errors come from the other profiles.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import msgspec
import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.estimators.voltage.circuit import Circuit
from evitals.estimators.voltage.soc_filter import SocFilter, Tuning
from evitals.models.circuit_fit import Fold, predicted, rmse
from evitals.telemetry.celltest import CellTest

Array = NDArray[np.float64]

SETTLE_S = 300.0
WARM_DEGC = 0.0
SETTLED = (0.03, 0.06)
"""What the error after SETTLE_S should be at most: from WARM_DEGC on, and below."""
RESIDUAL = (0.013, 0.035)
"""What the RMSE from then on should be at most, likewise."""


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a drive is entered, how wrong the filter starts, and how the current sensor errs:
    measured = gain * current + bias."""

    start_soc: float
    soc_error: float
    bias_a: float = 0.0
    gain: float = 1.0


SCENARIOS = tuple(
    Scenario(start, error, bias, gain)
    for start, error, bias, gain in product(
        (1.0, 0.8, 0.6), (-0.2, 0.2), (-0.05, 0.05), (0.99, 1.01)
    )
    if not (start == 1.0 and error > 0.0)
)
"""Starts at SoC 1.0, 0.8 and 0.6, 20 % wrong (full: only too low), +/-50 mA, +/-1 %."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scenario on one test: |error| at SETTLE_S; RMSE and largest |error| from then on; the
    factor by which the interval must widen to hold 90 % of the samples from then on."""

    test_id: str
    ambient_degc: float
    scenario: Scenario
    settled: float
    rmse: float
    largest: float
    widen: float = 1.0

    @property
    def burden(self) -> float:
        """The worse of both figures over what it should be at most; above 1 is a miss."""
        side = 0 if self.ambient_degc >= WARM_DEGC else 1
        return max(self.settled / SETTLED[side], self.rmse / RESIDUAL[side])


def replay(
    circuit: Circuit,
    capacity_ah: float,
    tuning: Tuning,
    tests: Sequence[CellTest],
    scenarios: Sequence[Scenario] = SCENARIOS,
) -> Iterator[Outcome]:
    """Every scenario on every test that reaches its SoC and lasts SETTLE_S from there."""
    found = SocFilter(circuit, capacity_ah, tuning)
    for test, scenario in product(tests, scenarios):
        columns = entered(test, scenario.start_soc)
        if columns is None:
            continue
        found.reset(min(max(columns["soc"][0] + scenario.soc_error, 0.0), 1.0), 0.2)
        measured = scenario.gain * columns["current_a"] + scenario.bias_a
        soc, half = found.band(columns | {"current_a": measured})
        settled = columns["time_s"] >= columns["time_s"][0] + SETTLE_S
        later = np.abs(soc - columns["soc"])[settled]
        yield Outcome(
            test.test_id,
            float(test.ambient_degc or 0.0),
            scenario,
            float(later[0]),
            float(np.sqrt(np.mean(later**2))),
            float(later.max()),
            float(np.quantile(later / half[settled], 0.9)),
        )


def entered(test: CellTest, soc: float) -> dict[str, Array] | None:
    """The columns from where SoC first falls to ``soc``; None where it never does, or too late."""
    reached = np.flatnonzero(test.columns["soc"] <= soc)
    if not len(reached):
        return None
    # A drive that is said to be full may start a little below.
    first = 0 if soc >= 1.0 else int(reached[0])
    columns = {name: values[first:] for name, values in test.columns.items()}
    lasts = columns["time_s"][-1] - columns["time_s"][0] > SETTLE_S
    return columns if lasts and columns["soc"][0] > soc - 0.05 else None


def errors_v(folds: Sequence[Fold]) -> tuple[float, ...]:
    """RMS voltage error at each ambient temperature on tests their circuit has not seen, V."""
    found: dict[float, list[Array]] = {}
    for fold in folds:
        for test in fold.tests:
            error = predicted(fold.circuit, test) - test.columns["voltage_v"]
            found.setdefault(float(test.ambient_degc or 0.0), []).append(error)
    return tuple(rmse(found[ambient]) for ambient in sorted(found))


def candidates(folds: Sequence[Fold]) -> tuple[Tuning, ...]:
    """Tunings to choose from."""
    known = errors_v(folds)
    return tuple(
        Tuning(
            error_v=known, drift_s=60.0, drift_share=drift, noise_share=noise, resistive=drop,
            bias_a=bias,
        )
        for drift, noise, drop, bias in product(
            (0.1, 0.3), (2.0, 4.0, 6.0, 8.0), (0.1, 0.3), (0.03, 0.05)
        )
    )  # fmt: skip


def chosen(
    folds: Sequence[Fold],
    capacity_ah: float,
    among: Sequence[Tuning],
    scenarios: Sequence[Scenario] = SCENARIOS[::3],
) -> tuple[Tuning, tuple[float, ...]]:
    """The tuning with the smallest burden, and the burden of each.

    A tuning's burden is its worst outcome's plus the mean of all: the worst alone is one drive's
    luck, the mean alone hides who never settles. Raises InputError without a scenario that fits.
    """
    burdens = []
    for tuning in among:
        found = [
            outcome.burden
            for fold in folds
            for outcome in replay(fold.circuit, capacity_ah, tuning, fold.tests, scenarios)
        ]
        if not found:
            raise InputError(
                "folds", len(folds), "hold no drive that fits a scenario", "give longer drives"
            )
        burdens.append(max(found) + float(np.mean(found)))
    return among[int(np.argmin(burdens))], tuple(burdens)


def widened(folds: Sequence[Fold], capacity_ah: float, tuning: Tuning) -> Tuning:
    """``tuning`` with an interval that holds 90 % of a drive's samples in 90 % of left-out runs.

    The run is the unit: samples of one drive err together.
    """
    needed = [
        outcome.widen
        for fold in folds
        for outcome in replay(fold.circuit, capacity_ah, tuning, fold.tests)
    ]
    factor = max(tuning.widen * float(np.quantile(needed, 0.9)), 1.0)
    return msgspec.structs.replace(tuning, widen=factor)
