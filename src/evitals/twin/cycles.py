"""Speed over time: regulatory cycles as data, and cycles of one's own from CSV."""

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError

Floats = NDArray[np.float64]
CYCLES = ("hwfet", "udds", "us06", "wltc3b")
LONGEST_STEP_S = 10.0


@dataclass(frozen=True, slots=True)
class Cycle:
    """A speed trace: ``time_s`` and ``speed_mps`` (n,), time strictly rising from 0."""

    name: str
    time_s: Floats
    speed_mps: Floats

    @property
    def distance_m(self) -> float:
        """Distance by the trapezoid rule, m."""
        mean = 0.5 * (self.speed_mps[1:] + self.speed_mps[:-1])
        return float(np.sum(mean * np.diff(self.time_s)))


@cache
def cycle(name: str) -> Cycle:
    """A regulatory cycle by name: udds, hwfet, us06, wltc3b.

    Raises InputError with the nearest names.
    """
    if name.lower() not in CYCLES:
        near = difflib.get_close_matches(name.lower(), CYCLES, cutoff=0.3) or list(CYCLES)
        raise InputError("cycle", name, "is not a known cycle", f"use one of {', '.join(near)}")
    folder = resources.files("evitals.twin") / "data" / "cycles"
    text = (folder / f"{name.lower()}.csv").read_text("utf-8")
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    speed = np.array([float(row) for row in rows[1:]])
    return Cycle(name.lower(), np.arange(float(speed.size)), speed)


def cycle_from(name: str) -> Cycle:
    """A cycle by name, or from a CSV file where ``name`` ends so. Raises InputError."""
    return read_cycle(Path(name)) if name.lower().endswith(".csv") else cycle(name)


def read_cycle(path: Path) -> Cycle:
    """A cycle from a CSV file with columns ``time_s`` and ``speed_mps`` (or ``speed_kmh``).

    Lines starting with # are comments; without ``time_s`` rows are seconds. Raises InputError
    naming the file that cannot be read, or the row (from 1 after the header) that cannot be driven.
    """
    try:
        lines = [line for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cycle", str(path), "cannot be read", f"check the file: {error}") from None
    rows = list(csv.reader(line for line in lines if not line.lstrip().startswith("#")))
    header = [name.strip() for name in rows[0]] if rows else []
    speeds = [name for name in ("speed_mps", "speed_kmh") if name in header]
    if not speeds:
        raise InputError("cycle", str(path), "has no column speed_mps", "name it so in the header")
    speed = _column(rows, header, speeds[0]) / (3.6 if speeds[0] == "speed_kmh" else 1.0)
    timed = "time_s" in header
    time = _column(rows, header, "time_s") if timed else np.arange(float(speed.size))
    return custom_cycle(path.stem, time, speed)


def _column(rows: list[list[str]], header: list[str], name: str) -> Floats:
    at, values = header.index(name), []
    for number, row in enumerate(rows[1:], 1):
        try:
            values.append(float(row[at]))
        except (ValueError, IndexError):
            seen = row[at] if at < len(row) else ""
            raise InputError(name, seen, f"in row {number} is no number", "correct it") from None
    return np.array(values)


def custom_cycle(name: str, time_s: Floats, speed_mps: Floats) -> Cycle:
    """A cycle from arrays (n,). Raises InputError for gaps (> 10 s), repeated or backward time,
    negative or impossible speeds, naming the row (from 1)."""
    time, speed = np.asarray(time_s, float), np.asarray(speed_mps, float)
    if time.shape != speed.shape or time.ndim != 1:
        raise InputError("time_s", time.shape, "does not match speed_mps", "give two equal columns")
    if time.size < 2:
        raise InputError("time_s", time.size, "rows are no cycle", "give two or more")
    for name_, values in (("time_s", time), ("speed_mps", speed)):
        if not np.isfinite(values).all():
            at = _row(~np.isfinite(values))
            raise InputError(name_, "NaN", f"in row {at} is not finite", "remove or fill it")
    step = np.diff(time, prepend=time[0] - 1.0)
    if np.any(step <= 0.0):
        at = _row(step <= 0.0)
        word = "repeats the time before" if step[at - 1] == 0.0 else "goes back in time"
        raise InputError("time_s", float(time[at - 1]), f"in row {at} {word}", "sort the rows")
    if np.any(step > LONGEST_STEP_S):
        at = _row(step > LONGEST_STEP_S)
        gap = f"in row {at} comes {step[at - 1]:g} s after the row before"
        remedy = f"fill the gap, at most {LONGEST_STEP_S:g} s between rows"
        raise InputError("time_s", float(time[at - 1]), gap, remedy)
    if np.any(speed < 0.0) or np.any(speed > 100.0):
        at = _row((speed < 0.0) | (speed > 100.0))
        raise InputError(
            "speed_mps", float(speed[at - 1]), f"in row {at} is no speed", "give 0 to 100 m/s"
        )
    return Cycle(name, time - time[0], speed)


def _row(bad: NDArray[np.bool_]) -> int:
    """Row, from 1, of the first that is bad."""
    return int(np.argmax(bad)) + 1
