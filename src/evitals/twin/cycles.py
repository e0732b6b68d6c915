"""Speed over time: regulatory cycles as data, and random trips composed of their micro-trips."""

import difflib
import itertools
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError

Floats = NDArray[np.float64]
Road = Literal["urban", "rural", "motorway"]
CYCLES = ("hwfet", "udds", "us06")
STANDSTILL_MPS = 0.1


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
    """A regulatory cycle by name: udds, hwfet, us06. Raises InputError with the nearest names."""
    if name.lower() not in CYCLES:
        near = difflib.get_close_matches(name.lower(), CYCLES, cutoff=0.3) or list(CYCLES)
        raise InputError("cycle", name, "is not a known cycle", f"use one of {', '.join(near)}")
    folder = resources.files("evitals.twin") / "data" / "cycles"
    text = (folder / f"{name.lower()}.csv").read_text("utf-8")
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    speed = np.array([float(row) for row in rows[1:]])
    return Cycle(name.lower(), np.arange(float(speed.size)), speed)


def custom_cycle(name: str, time_s: Floats, speed_mps: Floats) -> Cycle:
    """A cycle from arrays (n,). Raises InputError for gaps (> 10 s), repeated or backward time,
    negative or impossible speeds."""
    time, speed = np.asarray(time_s, float), np.asarray(speed_mps, float)
    if time.shape != speed.shape or time.ndim != 1 or time.size < 2:
        raise InputError("time_s", time.shape, "does not match speed_mps", "give two equal columns")
    if not (np.isfinite(time).all() and np.isfinite(speed).all()):
        raise InputError("speed_mps", "NaN", "is not finite", "remove or fill these samples")
    step = np.diff(time)
    if np.any(step <= 0.0):
        at = int(np.argmax(step <= 0.0)) + 1
        raise InputError("time_s", float(time[at]), f"at row {at} does not rise", "sort the rows")
    if np.any(step > 10.0):
        at = int(np.argmax(step > 10.0)) + 1
        raise InputError("time_s", float(step[at - 1]), f"s gap before row {at}", "cut it there")
    if np.any(speed < 0.0) or np.any(speed > 100.0):
        at = int(np.argmax((speed < 0.0) | (speed > 100.0)))
        raise InputError("speed_mps", float(speed[at]), f"at row {at}", "give 0 to 100 m/s")
    return Cycle(name, time - time[0], speed)


@cache
def microtrips(road: Road) -> tuple[Floats, ...]:
    """Stretches (n,) m/s at 1 Hz that start and end at standstill, by kind of road.

    Urban ones come from UDDS, the rural one is HWFET, motorway ones are the long ones of US06.
    """
    source = {"urban": "udds", "rural": "hwfet", "motorway": "us06"}[road]
    speed = cycle(source).speed_mps
    still = np.flatnonzero(speed < STANDSTILL_MPS)
    found = [
        speed[a : b + 1]
        for a, b in itertools.pairwise(still)
        if b - a > 10 and speed[a : b + 1].max() > 3.0
    ]
    return tuple(part for part in found if road != "motorway" or part.max() > 25.0)


def random_trip(rng: np.random.Generator, duration_s: float, motorway: float) -> Cycle:
    """A trip of about ``duration_s`` at 1 Hz: micro-trips drawn at random with pauses between.

    ``motorway`` in [0, 1] is the wish for fast roads. Each micro-trip is driven at its own pace
    (0.85 to 1.1 of the recorded speed), accelerations stay below 4.2 m/s2.
    """
    parts: list[Floats] = [np.zeros(5)]
    seconds = 0
    while seconds < duration_s:
        draw = rng.random()
        road: Road = "urban"
        if draw < 0.7 * motorway:
            road = "motorway"
        elif draw < motorway:
            road = "rural"
        choices = microtrips(road)
        pace = rng.uniform(0.85, 1.1)
        part = choices[int(rng.integers(len(choices)))] * pace
        pause = np.zeros(int(rng.integers(2, 30)))
        parts += [part, pause]
        seconds += part.size + pause.size
    speed = np.concatenate(parts)
    return Cycle("random", np.arange(float(speed.size)), speed)
