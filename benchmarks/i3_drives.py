"""The BMW i3's recorded drives as the twin needs them: inputs apart from what it is judged by.

Read through `evitals.telemetry`, so that findings of the doctor travel along. The twin is given
speed, elevation, ambient temperature, the clock, and where the battery stood at the first sample.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evitals import telemetry
from evitals.battery import describe
from evitals.telemetry import doctor

Floats = NDArray[np.float64]
VEHICLE = "bmw-i3-60ah"
FILE = Path("bmw_i3_trips") / "trips_1hz.parquet"
PLACE_M = 10.0
"""Elevation is averaged by places this far apart."""
SMOOTHED_M = 250.0
"""Half width of the mean over distance that elevation is smoothed with."""
STEEPEST = 0.1
JUDGING = ("voltage_v", "current_a")
DRIVING = ("speed_mps", "elevation_m", "ambient_degc")


@dataclass(frozen=True, slots=True)
class Drive:
    """One drive at 1 Hz, arrays (n,). Above: what drives the twin; below: what judges it."""

    name: str
    start: datetime
    time_s: Floats
    speed_mps: Floats
    elevation_m: Floats
    ambient_degc: float
    soc_start: float
    degc_start: float
    parked_s: float | None
    """Since the recorded drive before; None where none is known."""

    current_a: Floats
    voltage_v: Floats
    degc: Floats
    soc: Floats
    cooler_w: Floats
    heater_w: Floats
    findings: tuple[str, ...]

    @property
    def distance_km(self) -> float:
        """Distance by the trapezoid rule, km."""
        return float(np.trapezoid(self.speed_mps, self.time_s)) / 1000.0

    @property
    def power_w(self) -> Floats:
        """Recorded power at the terminals, W (n,), positive charging."""
        return self.current_a * self.voltage_v

    @property
    def energy_kwh(self) -> float:
        """Recorded energy out of the terminals, kWh."""
        return -float(np.sum(self.power_w * self.step_s)) / 3.6e6

    @property
    def step_s(self) -> Floats:
        """Time before each sample, s (n,)."""
        return np.diff(self.time_s, prepend=self.time_s[0] - 1.0)

    @property
    def sound(self) -> bool:
        """Whether no finding speaks against what drives the twin or measures its energy."""
        return not any(f.split(":")[1] in JUDGING + DRIVING for f in self.findings)


def drives(data: Path, group: str) -> list[Drive]:
    """The drives of a group, "A" (summer) or "B" (winter), in order of time.

    ``data`` is the folder of public measurements. Raises UnreadableFile without it.
    """
    battery = describe(VEHICLE).battery
    found: list[Drive] = []
    before: datetime | None = None
    recordings = telemetry.read(data / FILE).recordings
    dated = [(r.start, r) for r in recordings if r.start is not None]
    for start, recording in sorted(dated, key=lambda pair: pair[0]):
        table = recording.table
        parked = None if before is None else (start - before).total_seconds()
        seconds = float(table["time_s"].to_numpy()[-1])
        before = start + timedelta(seconds=seconds)
        if not recording.part.startswith(f"Trip{group}") or seconds <= 0.0:
            continue
        findings = doctor.examine(recording, battery)
        found.append(_drive(recording.part, start, table, parked, findings))
    return found


def _drive(
    name: str,
    start: datetime,
    table: pl.DataFrame,
    parked_s: float | None,
    findings: Iterable[telemetry.Finding],
) -> Drive:
    def column(signal: str) -> Floats:
        values = table[signal].cast(pl.Float64).to_numpy().astype(float)
        time = table["time_s"].to_numpy().astype(float)
        known = np.isfinite(values)
        if not known.any():
            return values
        filled: Floats = np.interp(time, time[known], values[known])
        return filled

    soc, degc = column("soc"), column("temperature_degc")
    return Drive(
        name=name,
        start=start,
        time_s=table["time_s"].to_numpy().astype(float),
        speed_mps=np.maximum(column("speed_mps"), 0.0),
        elevation_m=column("elevation_m"),
        ambient_degc=float(np.median(column("ambient_degc"))),
        soc_start=float(soc[0]),
        degc_start=float(degc[0]),
        parked_s=parked_s,
        current_a=column("current_a"),
        voltage_v=column("voltage_v"),
        degc=degc,
        soc=soc,
        cooler_w=column("aircon_power_w"),
        heater_w=column("heater_power_w"),
        findings=tuple(f"{f.code}:{f.signal}" for f in findings),
    )


def between(drive: Drive) -> Floats:
    """Speed half a second after each sample, m/s (n,).

    A recorded sample is the mean of its second; the twin's interval ends at its sample, so it
    ends half a second later.
    """
    return np.interp(drive.time_s + 0.5, drive.time_s, drive.speed_mps)


def grade(drive: Drive) -> Floats:
    """Rise over run (n,) of the recorded elevation.

    The recording holds one height in about a hundred seconds, joined by straight lines in time.
    It is averaged by places of `PLACE_M`, then over `SMOOTHED_M` to either side: what is lost is
    shorter than the recording could show, and the height gained stays. At most `STEEPEST`.
    """
    metres = np.concatenate([[0.0], np.cumsum(drive.speed_mps[1:] * np.diff(drive.time_s))])
    if metres[-1] < 2.0 * SMOOTHED_M:
        return np.zeros(metres.size)
    places = np.round(metres / PLACE_M).astype(int)
    count = np.bincount(places)
    known = np.flatnonzero(count)
    mean = np.bincount(places, drive.elevation_m)[known] / count[known]
    heights = np.interp(np.arange(count.size), known, mean)
    reach = int(SMOOTHED_M / PLACE_M)
    window = np.full(2 * reach + 1, 1.0 / (2 * reach + 1))
    smooth = np.convolve(np.pad(heights, reach, mode="edge"), window, "valid")
    rise = np.gradient(smooth, PLACE_M)
    slopes: Floats = np.interp(metres, np.arange(count.size) * PLACE_M, rise)
    return np.clip(slopes, -STEEPEST, STEEPEST, out=slopes)
