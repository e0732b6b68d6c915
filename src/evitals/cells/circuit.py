"""The equivalent circuit of a battery: OCV, R0 and two RC branches, scaled from cell to pack.

    v   = ocv(soc) + R0(soc, T) i + v1 + v2                       (per cell)
    vk' = vk exp(-dt/tau_k) + Rk(soc, T) i (1 - exp(-dt/tau_k))   (exact while i holds over dt)

G. Plett, Battery Management Systems, vol. 1, eqs. 2.8-2.10 (2015). Current is positive while
charging. A pack of ``series`` x ``parallel`` alike cells has ``series`` times the cell's voltage at
``1/parallel`` of its current.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from evitals.cells.chemistry import Chemistry

Array = NDArray[np.float64]


class CircuitState(NamedTuple):
    """Voltages of the two RC branches of one cell, V (0, 0 at rest)."""

    v1: float = 0.0
    v2: float = 0.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """A battery of ``series`` x ``parallel`` cells, ``capacity_ah`` at its own level.

    Resistances scale with ``design_capacity_ah`` (the capacity when new; ``capacity_ah`` where
    absent) and with ``resistance_growth``, the battery's resistance over that of the tables.
    """

    chemistry: Chemistry
    series: int
    parallel: int
    capacity_ah: float
    resistance_growth: float = 1.0
    design_capacity_ah: float | None = None

    @property
    def _cell_scale(self) -> float:
        """Ohm of one cell per ohm*Ah of the tables."""
        design = self.capacity_ah if self.design_capacity_ah is None else self.design_capacity_ah
        return self.resistance_growth * self.parallel / design

    def step(
        self,
        state: CircuitState,
        current_a: float,
        dt_s: float,
        soc: float,
        temperature_degc: float,
        mean_current_a: float | None = None,
    ) -> tuple[CircuitState, float]:
        """State and terminal voltage (V) after ``current_a`` (A) flowed for ``dt_s``.

        ``soc`` and ``temperature_degc`` are those at the end of the step. ``mean_current_a`` is the
        mean over the step where it is known to differ from the current at its end.
        """
        states, voltage = self._advance(
            state,
            np.array([current_a], float),
            np.array([dt_s], float),
            np.array([soc], float),
            np.array([temperature_degc], float),
            None if mean_current_a is None else np.array([mean_current_a], float),
        )
        return states, float(voltage[0])

    def run(
        self,
        time_s: ArrayLike,
        current_a: ArrayLike,
        soc: ArrayLike,
        temperature_degc: ArrayLike,
        state: CircuitState = CircuitState(),  # noqa: B008 - immutable
        mean_current_a: ArrayLike | None = None,
    ) -> Array:
        """Terminal voltage (n,), V, at each sample: ``step`` after ``step``, ``dt`` 0 at the first.

        All arrays are (n,); ``time_s`` may be unevenly spaced but must not go backward.
        """
        time = np.asarray(time_s, float)
        mean = None if mean_current_a is None else np.asarray(mean_current_a, float)
        dt = np.diff(time, prepend=time[:1])
        current, charge = np.asarray(current_a, float), np.asarray(soc, float)
        heat = np.broadcast_to(np.asarray(temperature_degc, float), time.shape)
        return self._advance(state, current, dt, charge, heat, mean)[1]

    def _advance(
        self,
        state: CircuitState,
        current_a: Array,
        dt_s: Array,
        soc: Array,
        temperature_degc: Array,
        mean_current_a: Array | None,
    ) -> tuple[CircuitState, Array]:
        scale = self._cell_scale
        r0, r1, r2 = self.chemistry.resistances_ohm_ah(soc, temperature_degc)
        cell = current_a / self.parallel
        mean = cell if mean_current_a is None else mean_current_a / self.parallel
        voltage = self.chemistry.ocv(soc, temperature_degc) + scale * r0 * cell
        ends = []
        for start, resistance, tau in zip(state, (r1, r2), self.chemistry.tau_s, strict=True):
            decay = np.exp(-dt_s / tau)
            branch = _recur(start, decay, (1.0 - decay) * scale * resistance * mean)
            voltage += branch
            ends.append(float(branch[-1]) if len(branch) else start)
        return CircuitState(*ends), self.series * voltage

    def resistance_ohm(self, soc: float, temperature_degc: float, horizon_s: float) -> float:
        """Voltage change over current change ``horizon_s`` after a step, ohm, battery's level.

        Without the change of OCV: R0 + sum Rk (1 - exp(-h/tau_k)).
        """
        r0, r1, r2 = self.chemistry.resistances_ohm_ah(soc, temperature_degc)
        tau1, tau2 = self.chemistry.tau_s
        total = r0 - r1 * np.expm1(-horizon_s / tau1) - r2 * np.expm1(-horizon_s / tau2)
        return float(total) * self._cell_scale * self.series / self.parallel

    def pulse_voltage(
        self,
        current_a: float,
        horizon_s: float,
        soc: float,
        temperature_degc: float,
        state: CircuitState = CircuitState(),  # noqa: B008 - immutable
    ) -> float:
        """Terminal voltage, V, after a constant current for ``horizon_s`` from ``soc``.

        Closed form: branches relax and charge exponentially with the resistances of the starting
        point, while the charge moved shifts the OCV. Never falls as the current rises.
        """
        moved = current_a * horizon_s / (3600.0 * self.capacity_ah)
        relaxed = sum(
            v * float(np.exp(-horizon_s / tau))
            for v, tau in zip(state, self.chemistry.tau_s, strict=True)
        )
        drop = self.resistance_ohm(soc, temperature_degc, horizon_s) * current_a
        ocv = float(self.chemistry.ocv(soc + moved, temperature_degc))
        return self.series * (ocv + relaxed) + drop


def _recurrence(start: float, decay: Array, drive: Array) -> Array:
    out = np.empty_like(decay)
    for k in range(len(decay)):
        start = decay[k] * start + drive[k]
        out[k] = start
    return out


_recur: Callable[[float, Array, Any], Array] = njit(cache=True)(_recurrence)
