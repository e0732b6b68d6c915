"""BLAST-Lite's answers, frozen: eight years of several climates and duties, day by day.

``python -m evitals.twin.oracles.blast OUT.json`` asks BLAST-Lite itself (extra ``[blast]``) and
writes what tests compare with; ``ours`` lives the same days with the twin's models.
"""

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evitals.errors import MissingExtra
from evitals.twin.ageing import Age, Ageing

Floats = NDArray[np.float64]
YEARS, DAYS, HOURS = 8, 365, 24
CELLS = {
    "nmc-pouch-50ah": "NMC_Gr_50Ah_B1",
    "nmc-kokam-75ah": "Nmc111_Gr_Kokam75Ah_Battery",
    "nmc811-lg-m50": "Nmc811_GrSi_LGM50_5Ah_Battery",
    "nca-panasonic-18650b": "Nca_Gr_Panasonic3Ah_Battery",
    "lfp-sony-murata-3ah": "Lfp_Gr_SonyMurata3Ah_Battery",
}
"""Our models and BLAST-Lite's classes."""


@dataclass(frozen=True, slots=True)
class Climate:
    """Cell temperature: yearly mean, half a season's and half a day's swing, degC and K."""

    mean_degc: float
    season_k: float
    day_k: float


@dataclass(frozen=True, slots=True)
class Years:
    """SoH, resistance over new (None: not modelled) and full cycles at the end of each year."""

    soh: list[float]
    growth: list[float | None]
    efc: list[float]

    def add(self, soh: float, growth: float | None, efc: float) -> None:
        """One more year."""
        self.soh.append(round(float(soh), 6))
        self.growth.append(None if growth is None else round(float(growth), 6))
        self.efc.append(round(float(efc), 6))


@dataclass(frozen=True, slots=True)
class Duty:
    """SoC over a day: full in the morning, two drives, charged in the evening."""

    top: float
    depth: float


CLIMATES = {
    "cold": Climate(6.0, 10.0, 4.0),
    "temperate": Climate(16.0, 8.0, 5.0),
    "hot": Climate(27.0, 7.0, 6.0),
}
DUTIES = {
    "commuter": Duty(0.8, 0.2),
    "long": Duty(0.9, 0.6),
    "taxi": Duty(1.0, 0.85),
    "parked": Duty(0.5, 0.02),
}
CASES = [(place, use) for place in CLIMATES for use in DUTIES]


def day(climate: Climate, duty: Duty, number: int) -> tuple[Floats, Floats, Floats]:
    """Time in s, temperature in degC and SoC at the 25 full hours of a day of the year."""
    hours = np.arange(HOURS + 1.0)
    season = np.cos(2.0 * np.pi * (number + hours / HOURS - 15.0) / DAYS)
    daily = np.cos(2.0 * np.pi * (hours - 4.0) / HOURS)
    warm = climate.mean_degc - climate.season_k * season - climate.day_k * daily
    top, depth = duty.top, duty.depth
    half, low = top - 0.5 * depth, top - depth
    soc = np.interp(
        hours, [0, 7, 8, 17, 18, 19, 23, 24], [top, top, half, half, low, low, top, top]
    )
    return hours * 3600.0, warm, soc


def c_rates(model: str, time_s: Floats, soc: Floats) -> float:
    """The C-rate BLAST-Lite takes for a model: mean with the rests (currents below C/100 left
    out), or that of discharging alone for the LG M50."""
    rate = np.diff(soc) / np.diff(time_s / 3600.0)
    if model == "nmc811-lg-m50":
        return float(-np.mean(rate[rate < -1e-2])) if np.any(rate < -1e-2) else 0.0
    rate = np.where(np.abs(rate) < 1e-2, 0.0, np.abs(rate))
    area = np.sum(0.5 * (rate[1:] + rate[:-1]) * np.diff(time_s[1:]))
    return float(area / (time_s[-1] - time_s[0]))


def ours(model: str, climate: Climate, duty: Duty) -> Years:
    """The twin's model through the same days."""
    ageing, age, years = Ageing(model), Age(), Years([], [], [])
    weights = np.full(HOURS + 1, 3600.0)
    weights[[0, -1]] = 1800.0
    days = [day(climate, duty, number) for number in range(DAYS)]
    time_s, _, soc = days[0]
    swing, depth = 0.5 * float(np.sum(np.abs(np.diff(soc)))), float(np.ptp(soc))
    c_rate = c_rates(model, time_s, soc)
    for _ in range(YEARS):
        for _, warm, _ in days:
            soh = ageing.soh(age)
            age = ageing.through(age, weights, warm, soc, swing * soh, depth, c_rate * soh)
        years.add(ageing.soh(age), ageing.growth(age), age.efc)
    return years


def theirs(model: str, climate: Climate, duty: Duty) -> Years:
    """BLAST-Lite, a day a step. Raises MissingExtra."""
    # Warnings are those of BLAST-Lite's own dependencies.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from blast import models
        except ImportError as error:
            raise MissingExtra("blast") from error
        battery: Any = getattr(models, CELLS[model])()
        years = Years([], [], [])
        for number in range(YEARS * DAYS):
            time_s, warm, soc = day(climate, duty, number % DAYS)
            battery.update_battery_state(time_s, soc, warm)
            if (number + 1) % DAYS == 0:
                growth = battery.outputs["r"][-1] if "r" in battery.outputs else None
                years.add(battery.outputs["q"][-1], growth, battery.stressors["efc"][-1])
    return years


def recompute() -> dict[str, dict[str, Years]]:
    """Every model in every climate and duty by BLAST-Lite: model -> "climate, duty" -> years."""
    return {
        model: {
            f"{place}, {use}": theirs(model, CLIMATES[place], DUTIES[use]) for place, use in CASES
        }
        for model in CELLS
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(msgspec.json.format(msgspec.json.encode(recompute()), indent=0))
