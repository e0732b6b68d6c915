"""What the lower bound of power keeps in hand, calibrated on drives the circuit has not seen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.estimators.power import Margin
from evitals.models.circuit_fit import Fold, predicted

Array = NDArray[np.float64]

HORIZON_S = 10.0
STRONG = 0.6
"""A current counts where it is at least this share of the strongest at its temperature."""
LEAST_DROP_V = 0.1
LEAST_WINDOWS = 50


def calibrated(folds: Sequence[Fold], quantile: float = 0.95) -> Margin:
    """The share of its predicted drop by which a left-out drive's drop exceeds it, at the given
    quantile of all strong discharges that end HORIZON_S after a sample.

    Raises InputError where a temperature has fewer than LEAST_WINDOWS of them.
    """
    ratios: dict[float, list[Array]] = {}
    strongest = _strongest(folds)
    for fold in folds:
        for test in fold.tests:
            ambient = float(test.ambient_degc or 0.0)
            c = test.columns
            before = np.searchsorted(c["time_s"], c["time_s"] - HORIZON_S)
            strong = c["current_a"] < -STRONG * strongest[ambient]
            ends = np.flatnonzero(strong & (c["time_s"] >= c["time_s"][0] + HORIZON_S))
            begins = before[ends]
            model = predicted(fold.circuit, test)
            drop = model[begins] - model[ends]
            true = c["voltage_v"][begins] - c["voltage_v"][ends]
            large = drop > LEAST_DROP_V
            ratios.setdefault(ambient, []).append(true[large] / drop[large])
    shares = []
    for ambient in sorted(ratios):
        found = np.concatenate(ratios[ambient])
        if len(found) < LEAST_WINDOWS:
            raise InputError(
                "folds",
                len(found),
                f"strong discharges at {ambient:g} degC are fewer than {LEAST_WINDOWS}",
                "give drives with stronger currents",
            )
        shares.append(max(float(np.quantile(found, quantile)) - 1.0, 0.0))
    return Margin(temperature_degc=tuple(sorted(ratios)), share=tuple(shares))


def _strongest(folds: Sequence[Fold]) -> dict[float, float]:
    """Largest discharge current at each ambient temperature, A."""
    found: dict[float, float] = {}
    for fold in folds:
        for test in fold.tests:
            ambient = float(test.ambient_degc or 0.0)
            largest = -float(test.columns["current_a"].min())
            found[ambient] = max(found.get(ambient, 0.0), largest)
    return found
