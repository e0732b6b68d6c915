"""A stretch of telemetry as arrays, with the charge moved: what the checks look at."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from evitals.telemetry.gaps import gap_rows

Floats = npt.NDArray[np.float64]
CELLS = ("cell_voltage_min_v", "cell_voltage_max_v")


@dataclass(frozen=True, slots=True)
class Chart:
    """A stretch as arrays, shape (n,), NaN = missing, with the charge moved so far in Ah."""

    time: Floats
    current: Floats
    voltage: Floats
    soc: Floats
    shown: Floats
    power: Floats
    speed: Floats
    charge: Floats
    counter: Floats
    stretches: tuple[slice, ...]
    """Rows between gaps: charge moved is known only within one."""
    level: str | None
    cells: tuple[tuple[str, Floats], ...]
    """The lowest and highest cell voltage by signal, where they are recorded."""


def chart_of(table: pl.DataFrame, level: str | None = None) -> Chart:
    """The chart of a table of signals; ``level`` is the one its source states, if any."""

    def column(name: str) -> Floats:
        if name in table.columns:
            values = table[name]
            return (values if values.dtype == pl.Float64 else values.cast(pl.Float64)).to_numpy()
        return np.full(table.height, np.nan)

    time, current = column("time_s"), column("current_a")
    return Chart(
        time=time,
        current=current,
        voltage=column("voltage_v"),
        soc=column("soc"),
        shown=column("soc_displayed"),
        power=column("power_w"),
        speed=column("speed_mps"),
        charge=_charge_ah(time, current),
        counter=column("charge_ah"),
        stretches=tuple(slice(a, b) for a, b in pairwise([0, *gap_rows(time), len(time)])),
        level=level,
        cells=tuple((name, column(name)) for name in CELLS if name in table.columns),
    )


def _charge_ah(time: Floats, current: Floats) -> Floats:
    """Charge since the first sample (trapezoids), Ah; gaps and missing currents add 0."""
    steps = np.diff(time)
    moved = 0.5 * (current[1:] + current[:-1]) * steps / 3600.0
    moved[np.isnan(moved) | (steps < 0.0)] = 0.0
    gaps = gap_rows(time)
    moved[gaps - 1] = 0.0
    return np.concatenate([[0.0], np.cumsum(moved)])
