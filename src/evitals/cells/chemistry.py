"""What a cell of a chemistry is: OCV and circuit tables with their source and fitted range.

Tables lie in ``tables/*.json``, made by ``python -m evitals.cells.fit``. Resistances are times
capacity (ohm*Ah), so they scale to a cell of any size: R = table / capacity.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evitals.errors import UnsupportedChemistry

Array = NDArray[np.float64]

OCV_SIGMA_V = 0.05
"""Standard deviation of the OCV of another cell of the same chemistry at the same SoC, V.

A measured spread, not the fit's: the NMC and NCA tables here differ by 0.049 V rms above 5 % SoC.
It is no bound: the BMW i3 60 Ah, sold as NMC, rests 0.02 V (90 % SoC) to 0.2 V (35 %) higher than
the NMC table. The error is systematic over SoC: slopes of neighbouring points err together.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Chemistry:
    """Tables of one measured cell; ``chemistry(name)`` gives the shared, read-only instance.

    ``ocv_v`` (S,) over ``ocv_soc`` (S,), rising, uniform in SoC from 0 to 1. ``r0_ohm_ah``,
    ``r1_ohm_ah``, ``r2_ohm_ah`` (T, K) over ``temperatures_degc`` (T,) and ``soc_knots`` (K,).
    ``soc_min_fitted`` (T,) is the lowest SoC the drives reached at each temperature.
    """

    name: str
    cell: str
    source: str
    licence: str
    command: str
    known_gaps: tuple[str, ...]
    cell_capacity_ah: float
    ocv_sigma_v: float
    ocv_soc: Array
    ocv_v: Array
    ocv_slope_v: Array
    temperatures_degc: Array
    soc_knots: Array
    soc_min_fitted: Array
    r0_ohm_ah: Array
    r1_ohm_ah: Array
    r2_ohm_ah: Array
    tau_s: tuple[float, float]
    validation: dict[str, Any]

    def ocv(self, soc: ArrayLike, temperature_degc: ArrayLike = 25.0) -> Array:
        """Open-circuit voltage of a cell, V, shape of ``soc`` broadcast with the temperature.

        Constant beyond SoC 0 and 1. The tables hold no temperature coefficient: between 0 and
        25 degC the rest voltages of the LG cell move by less than 12 mV above 24 % SoC.
        """
        soc, temperature = np.broadcast_arrays(
            np.asarray(soc, float), np.asarray(temperature_degc, float)
        )
        # A missing temperature stays missing, as for every other answer.
        return np.asarray(np.interp(soc, self.ocv_soc, self.ocv_v) + 0.0 * temperature)

    def soc_from_ocv(
        self, voltage_v: ArrayLike, temperature_degc: ArrayLike = 25.0
    ) -> tuple[Array, Array]:
        """SoC at a rested cell voltage and the slope dV/dSoC there (V per unit of SoC).

        The inverse of ``ocv``; clipped to 0 and 1 outside the table. NaN stays NaN.
        """
        voltage, temperature = np.broadcast_arrays(
            np.asarray(voltage_v, float), np.asarray(temperature_degc, float)
        )
        soc = np.interp(voltage, self.ocv_v, self.ocv_soc) + 0.0 * temperature
        return soc, np.interp(soc, self.ocv_soc, self.ocv_slope_v)

    def resistances_ohm_ah(
        self, soc: ArrayLike, temperature_degc: ArrayLike
    ) -> tuple[Array, Array, Array]:
        """R0, R1, R2 times capacity (ohm*Ah): bilinear, held constant beyond the tables."""
        soc, temperature = np.broadcast_arrays(
            np.asarray(soc, float), np.asarray(temperature_degc, float)
        )
        left, x = _place(soc, self.soc_knots)
        low, y = _place(temperature, self.temperatures_degc)

        def at(table: Array) -> Array:
            bottom = (1.0 - x) * table[low, left] + x * table[low, left + 1]
            top = (1.0 - x) * table[low + 1, left] + x * table[low + 1, left + 1]
            return np.asarray((1.0 - y) * bottom + y * top)

        return at(self.r0_ohm_ah), at(self.r1_ohm_ah), at(self.r2_ohm_ah)

    def range_reasons(self, soc: float, temperature_degc: float) -> tuple[str, ...]:
        """Why an answer at this point leaves the fitted range: reason codes, () inside it."""
        reasons = []
        low, high = float(self.temperatures_degc[0]), float(self.temperatures_degc[-1])
        # A chamber holds its set point within about three kelvin, and drives warm the cell.
        if not low - 3.0 <= temperature_degc <= high + 5.0:
            reasons.append("temperature_outside_tables")
        floor = float(np.interp(temperature_degc, self.temperatures_degc, self.soc_min_fitted))
        if not floor - 0.02 <= soc <= 1.0:
            reasons.append("soc_outside_tables")
        return tuple(reasons)


def _place(x: Array, knots: Array) -> tuple[NDArray[np.intp], Array]:
    clipped = np.clip(x, knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, clipped, side="right") - 1, 0, len(knots) - 2)
    return left, (clipped - knots[left]) / (knots[left + 1] - knots[left])


def supported() -> list[str]:
    """Names of the chemistries that have tables."""
    folder = resources.files("evitals.cells") / "tables"
    return sorted(
        entry.name[:-5].upper() for entry in folder.iterdir() if entry.name.endswith("json")
    )


@cache
def chemistry(name: str) -> Chemistry:
    """The tables of a chemistry, any case. Raises UnsupportedChemistry listing those there are."""
    if name.upper() not in supported():
        raise UnsupportedChemistry(name, supported())
    file = resources.files("evitals.cells") / "tables" / f"{name.lower()}.json"
    return from_table(json.loads(file.read_text(encoding="utf-8")))


def from_table(table: dict[str, Any]) -> Chemistry:
    """A chemistry from the JSON form that the fit writes. Raises ValueError on a broken table."""
    ocv_soc, ocv_v = _array(table["ocv_soc"]), _array(table["ocv_v"])
    if not all(low < high for low, high in pairwise(ocv_v.tolist())):
        raise ValueError(f"{table['chemistry']}: ocv_v does not rise; fit the tables again")
    return Chemistry(
        name=table["chemistry"],
        cell=table["cell"],
        source=table["source"],
        licence=table["licence"],
        command=table["command"],
        known_gaps=tuple(table["known_gaps"]),
        cell_capacity_ah=float(table["cell_capacity_ah"]),
        ocv_sigma_v=OCV_SIGMA_V,
        ocv_soc=ocv_soc,
        ocv_v=ocv_v,
        ocv_slope_v=_array(np.gradient(ocv_v, ocv_soc)),
        temperatures_degc=_array(table["temperatures_degc"]),
        soc_knots=_array(table["soc_knots"]),
        soc_min_fitted=_array(table["soc_min_fitted"]),
        r0_ohm_ah=_array(table["r0_ohm_ah"]),
        r1_ohm_ah=_array(table["r1_ohm_ah"]),
        r2_ohm_ah=_array(table["r2_ohm_ah"]),
        tau_s=(float(table["tau_s"][0]), float(table["tau_s"][1])),
        validation=table.get("validation", {}),
    )


def _array(values: ArrayLike) -> Array:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array
