"""Named places and their air temperature, hour by hour, day by day.

``T(t) = mean(day of the year) + weather(day) + swing / 2 cos(2 pi (hour - 15) / 24)``: warmest at
three in the afternoon. Monthly values stand at mid-month, linear between. Weather is an
autoregressive walk from day to day, the same for all vehicles of a fleet in one place. Clocks are
local and called UTC.
"""

import difflib
import math
import zlib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from evitals.errors import InputError

Floats = NDArray[np.float64]
DAY_S = 86_400.0
YEAR_DAYS = 365.25
WARMEST_HOUR = 15.0
WEATHER_KEPT = 0.6
"""Correlation of a day's weather with the day before: gone after about two days."""
CHUNK_DAYS = 512

Degrees = Annotated[float, Meta(ge=-60.0, le=50.0)]
Kelvins = Annotated[float, Meta(ge=0.0, le=40.0)]


class Place(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Monthly means and daily swings, January first; day-to-day standard deviation; source."""

    mean_degc: tuple[Degrees, ...]
    swing_k: tuple[Kelvins, ...]
    weather_k: Kelvins
    source: str

    def __post_init__(self) -> None:
        for name in ("mean_degc", "swing_k"):
            count = len(getattr(self, name))
            if count != 12:
                raise InputError(name, count, "are not twelve months", "give one value a month")


@cache
def places() -> dict[str, Place]:
    """The places that ship with the twin, by name."""
    return parse_places((resources.files("evitals.twin") / "data" / "places.toml").read_bytes())


def parse_places(text: bytes) -> dict[str, Place]:
    """Places from TOML, one table each. Raises InputError naming the field."""
    try:
        return msgspec.toml.decode(text, type=dict[str, Place])
    except msgspec.DecodeError as error:
        raise InputError(
            "places", str(error), "does not hold places", "see docs/twin-fleet.md"
        ) from error


def place(name: str) -> Place:
    """A place by name. Raises InputError with the nearest names."""
    if name not in places():
        near = difflib.get_close_matches(name, places(), cutoff=0.3) or sorted(places())
        raise InputError("place", name, "is not a known place", f"use one of {', '.join(near)}")
    return places()[name]


@cache
def _season(name: str) -> tuple[list[float], list[float]]:
    """Mean and swing of each day of the year, monthly values at mid-month, linear between."""
    found = place(name)
    middle = (np.arange(12) + 0.5) * YEAR_DAYS / 12.0
    days = np.arange(366.0)
    mean = np.interp(days, middle, found.mean_degc, period=YEAR_DAYS)
    swing = np.interp(days, middle, found.swing_k, period=YEAR_DAYS)
    return mean.tolist(), swing.tolist()


@lru_cache(maxsize=256)
def _weather(name: str, seed: int, chunk: int) -> list[float]:
    """Departures from the mean over CHUNK_DAYS days, K: starts anew with each chunk."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), chunk])
    fresh = rng.standard_normal(CHUNK_DAYS) * math.sqrt(1.0 - WEATHER_KEPT**2)
    departures, last = [], float(rng.standard_normal())
    for value in fresh.tolist():
        last = WEATHER_KEPT * last + value
        departures.append(last * place(name).weather_k)
    return departures


@dataclass(frozen=True, slots=True)
class Climate:
    """The air of one place in the weather of one seed."""

    place: str
    seed: int

    def day_degc(self, day: int) -> float:
        """Mean air temperature of a day (days since 1970-01-01)."""
        chunk, at = divmod(day, CHUNK_DAYS)
        mean, _ = _season(self.place)
        return mean[_of_year(day)] + _weather(self.place, self.seed, chunk)[at]

    def ambient_degc(self, time_s: float) -> float:
        """Air temperature at a moment (seconds since 1970-01-01), local clock."""
        day = int(time_s // DAY_S)
        hour = (time_s - day * DAY_S) / 3600.0
        swing = _season(self.place)[1][_of_year(day)]
        wave = math.cos(2.0 * math.pi * (hour - WARMEST_HOUR) / 24.0)
        return self.day_degc(day) + 0.5 * swing * wave


def _of_year(day: int) -> int:
    return int(day % YEAR_DAYS)
