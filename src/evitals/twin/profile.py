"""Who drives where: what is drawn once for a vehicle of the fleet."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evitals.twin.ageing import YEAR_S, Age, Ageing
from evitals.twin.bms import SensorErrors

DEPOTS = ("north", "south", "east", "west")


@dataclass(frozen=True, slots=True)
class Profile:
    """One vehicle's model, life before the fleet's first day, climate, driver and charging."""

    model: str
    depot: str
    ageing: Ageing
    age: Age
    errors: SensorErrors
    mean_degc: float
    season_k: float
    motorway: float
    duration_s: float
    charge_below: float
    soc: float

    def ambient_degc(self, day: int, rng: np.random.Generator) -> float:
        """Air temperature of a day (days since 1970): coldest in mid January, some weather."""
        season = -math.cos(2.0 * math.pi * ((day - 15) % 365.25) / 365.25)
        return float(self.mean_degc + self.season_k * season + rng.normal(0.0, 3.0))


def draw(rng: np.random.Generator, mix: Mapping[str, float]) -> Profile:
    """A vehicle's profile: 0 to 12 years old, 40 to 230 full cycles a year so far."""
    names = sorted(mix)
    share = np.array([mix[name] for name in names])
    model = names[int(rng.choice(len(names), p=share / share.sum()))]
    ageing = Ageing.drawn(rng)
    mean_degc, years = float(rng.uniform(5.0, 18.0)), float(rng.uniform(0.0, 12.0))
    efc = years * float(rng.uniform(40.0, 230.0))
    age = ageing.after(Age(), years * YEAR_S, mean_degc + 5.0, float(rng.uniform(0.4, 0.8)), efc)
    return Profile(
        model=model,
        depot=DEPOTS[int(rng.integers(len(DEPOTS)))],
        ageing=ageing,
        age=age,
        errors=SensorErrors.drawn(rng),
        mean_degc=mean_degc,
        season_k=float(rng.uniform(6.0, 12.0)),
        motorway=float(rng.uniform(0.05, 0.5)),
        duration_s=float(rng.uniform(1200.0, 2400.0)),
        charge_below=float(rng.uniform(0.3, 0.65)),
        soc=float(rng.uniform(0.5, 0.9)),
    )
