"""A chemistry's tables at one operating point, in plain floats.

Indexing arrays one number at a time costs more than the arithmetic: these serve the callers that
ask for one point a trip. They answer exactly what ``Chemistry`` answers.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from evitals.cells.chemistry import chemistry


@dataclass(frozen=True, slots=True)
class PointTables:
    """Tables as tuples: ``ocv`` (S,) uniform over SoC 0..1, ``resistance[T][K]`` = (R0, R1, R2)
    times capacity, ohm*Ah."""

    ocv: tuple[float, ...]
    socs: tuple[float, ...]
    temperatures: tuple[float, ...]
    resistance: tuple[tuple[tuple[float, float, float], ...], ...]
    tau: tuple[float, float]

    def ocv_at(self, soc: float) -> float:
        """Open-circuit voltage of a cell, V; constant beyond SoC 0 and 1."""
        place = min(max(soc, 0.0), 1.0) * (len(self.ocv) - 1)
        left = min(int(place), len(self.ocv) - 2)
        return self.ocv[left] + (place - left) * (self.ocv[left + 1] - self.ocv[left])

    def resistances(self, soc: float, temperature_degc: float) -> tuple[float, float, float]:
        """R0, R1, R2 times capacity, ohm*Ah; held constant beyond the tables."""
        i, x = _place(soc, self.socs)
        j, y = _place(temperature_degc, self.temperatures)
        low, high = self.resistance[j], self.resistance[j + 1]
        parts = zip(low[i], low[i + 1], high[i], high[i + 1], strict=True)
        r0, r1, r2 = (
            (1.0 - y) * ((1.0 - x) * a + x * b) + y * ((1.0 - x) * c + x * d)
            for a, b, c, d in parts
        )
        return r0, r1, r2

    def step_resistance(self, soc: float, temperature_degc: float, horizon_s: float) -> float:
        """Voltage over current ``horizon_s`` after a step, times capacity, ohm*Ah, OCV held."""
        r0, r1, r2 = self.resistances(soc, temperature_degc)
        slow = r1 * math.expm1(-horizon_s / self.tau[0]) + r2 * math.expm1(-horizon_s / self.tau[1])
        return r0 - slow


@lru_cache(maxsize=16)
def point_tables(name: str) -> PointTables:
    """The tables of a chemistry as plain floats. Raises UnsupportedChemistry."""
    cell = chemistry(name)
    stacked = np.stack([cell.r0_ohm_ah, cell.r1_ohm_ah, cell.r2_ohm_ah], axis=-1)
    return PointTables(
        ocv=tuple(cell.ocv_v.tolist()),
        socs=tuple(cell.soc_knots.tolist()),
        temperatures=tuple(cell.temperatures_degc.tolist()),
        resistance=tuple(tuple((r[0], r[1], r[2]) for r in row) for row in stacked.tolist()),
        tau=cell.tau_s,
    )


def _place(x: float, knots: tuple[float, ...]) -> tuple[int, float]:
    left = 0
    while left < len(knots) - 2 and x >= knots[left + 1]:
        left += 1
    weight = (x - knots[left]) / (knots[left + 1] - knots[left])
    return left, min(max(weight, 0.0), 1.0)
