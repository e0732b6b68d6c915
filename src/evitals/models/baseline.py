"""What any estimator must beat: a static table of OCV and resistance, fitted in closed form.

``v = OCV(soc, T) + R(soc, T) i``, bilinear on a grid, by ridge regression on second differences
over the training cycles alone (Hoerl & Kennard, Technometrics 12, 1970).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.estimators.program.builders import signal, static_table
from evitals.estimators.program.program import Program
from evitals.models.cycles import Cycle

Array = NDArray[np.float64]

SOC_KNOTS = np.concatenate([[0.0, 0.05], np.arange(0.1, 1.01, 0.1)])
SMOOTH = 1e-3
"""Weight of squared second differences along SoC, as a share of the samples; first differences
along temperature weigh a hundredth of it."""
NEEDED = ("soc", "current_a", "temperature_degc")


def fit_static(cycles: Sequence[Cycle], target: str = "voltage_v") -> Program:
    """The table, fitted to these cycles. Raises InputError where an input is absent."""
    for cycle in cycles:
        for name in NEEDED:
            if name not in cycle.columns:
                raise InputError(
                    "inputs", name, "is needed by the static table", "add it to the inputs"
                )
    knots = _temperature_knots(cycles)
    count = len(SOC_KNOTS) * len(knots)
    gram, moment, samples = np.zeros((2 * count, 2 * count)), np.zeros(2 * count), 0
    for cycle in cycles:
        shape = _design(cycle, knots)
        rows = np.hstack([shape, shape * cycle.columns["current_a"][:, None]])
        gram += rows.T @ rows
        moment += rows.T @ cycle.columns[target]
        samples += len(rows)
    penalty = samples * SMOOTH * _roughness(len(SOC_KNOTS), len(knots))
    zero = np.zeros_like(penalty)
    found = np.linalg.solve(gram + np.block([[penalty, zero], [zero, penalty]]), moment)
    ocv, resistance = found.reshape(2, len(SOC_KNOTS), len(knots))
    return static_table(
        SOC_KNOTS, knots, ocv, resistance, inputs=tuple(signal(name) for name in NEEDED)
    )


def _temperature_knots(cycles: Sequence[Cycle]) -> Array:
    """The ambient temperatures of the cycles; two at least, for a grid needs two."""
    found = np.unique([cycle.ambient_degc for cycle in cycles])
    return found if len(found) > 1 else np.array([found[0] - 5.0, found[0] + 5.0])


def _design(cycle: Cycle, knots: Array) -> Array:
    """Weights of the grid's points at each sample, (n, S T)."""
    along = _hats(cycle.columns["soc"], SOC_KNOTS)
    across = _hats(cycle.columns["temperature_degc"], knots)
    return np.asarray((along[:, :, None] * across[:, None, :]).reshape(len(cycle), -1))


def _hats(x: Array, knots: Array) -> Array:
    """Linear interpolation as weights (n, knots); constant beyond."""
    right = np.clip(np.searchsorted(knots, x), 1, len(knots) - 1)
    share = np.clip((x - knots[right - 1]) / (knots[right] - knots[right - 1]), 0.0, 1.0)
    out = np.zeros((len(x), len(knots)))
    rows = np.arange(len(x))
    out[rows, right - 1], out[rows, right] = 1.0 - share, share
    return out


def _roughness(socs: int, temperatures: int) -> Array:
    bend, step = np.diff(np.eye(socs), 2, axis=0), np.diff(np.eye(temperatures), axis=0)
    along = np.kron(bend.T @ bend, np.eye(temperatures))
    return along + 0.01 * np.kron(np.eye(socs), step.T @ step)
