"""A stretch of telemetry as arrays, with the charge moved: what the checks look at."""

from dataclasses import dataclass, replace
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
    gaps: npt.NDArray[np.intp]
    """Rows that follow a gap or a step back in time."""
    level: str | None
    cells: tuple[tuple[str, Floats], ...]
    """The lowest and highest cell voltage by signal, where they are recorded."""

    @property
    def stretches(self) -> tuple[slice, ...]:
        """Rows between gaps: charge moved is known only within one."""
        return tuple(slice(a, b) for a, b in pairwise([0, *self.gaps, len(self.time)]))

    def part(self, first: int, stop: int) -> "Chart":
        """Rows ``first`` to ``stop`` as a chart of their own, time and charge from 0; the chart
        itself where that is all of it."""
        if first == 0 and stop == len(self.time) and not (stop and self.time[0]):
            return self
        rows = slice(first, stop)
        time, current = self.time[rows] - self.time[first], self.current[rows]
        gaps = gap_rows(time)
        return replace(
            self,
            time=time,
            current=current,
            voltage=self.voltage[rows],
            soc=self.soc[rows],
            shown=self.shown[rows],
            power=self.power[rows],
            speed=self.speed[rows],
            charge=_charge_ah(time, current, gaps),
            counter=self.counter[rows],
            gaps=gaps,
            cells=tuple((name, values[rows]) for name, values in self.cells),
        )


def chart_of(table: pl.DataFrame, level: str | None = None) -> Chart:
    """The chart of a table of signals; ``level`` is the one its source states, if any."""

    def column(name: str) -> Floats:
        if name in table.columns:
            values = table[name]
            return (values if values.dtype == pl.Float64 else values.cast(pl.Float64)).to_numpy()
        return np.full(table.height, np.nan)

    time, current = column("time_s"), column("current_a")
    gaps = gap_rows(time)
    return Chart(
        time=time,
        current=current,
        voltage=column("voltage_v"),
        soc=column("soc"),
        shown=column("soc_displayed"),
        power=column("power_w"),
        speed=column("speed_mps"),
        charge=_charge_ah(time, current, gaps),
        counter=column("charge_ah"),
        gaps=gaps,
        level=level,
        cells=tuple((name, column(name)) for name in CELLS if name in table.columns),
    )


def median(values: Floats) -> float:
    """The median of the values that are known, shape (n,); NaN where none is. As numpy's, which
    takes three times as long over a trip."""
    missing = np.isnan(values)
    known = values[~missing] if missing.any() else values
    if not len(known):
        return np.nan
    low, high = (len(known) - 1) // 2, len(known) // 2
    sides = np.partition(known, (low, high) if low != high else low)
    return float(0.5 * (sides[low] + sides[high]))


def _charge_ah(time: Floats, current: Floats, gaps: npt.NDArray[np.intp]) -> Floats:
    """Charge since the first sample (trapezoids), Ah; gaps and missing currents add 0."""
    steps = np.diff(time)
    moved = 0.5 * (current[1:] + current[:-1]) * steps / 3600.0
    moved[np.isnan(moved) | (steps < 0.0)] = 0.0
    moved[gaps - 1] = 0.0
    return np.concatenate([[0.0], np.cumsum(moved)])
