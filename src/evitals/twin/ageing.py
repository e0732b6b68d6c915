"""How a battery ages: calendar and cycle loss of capacity, growth of resistance.

Loss = calendar + cycle. Calendar loss grows with the square root of time, cycle loss with charge
moved; both follow Arrhenius in temperature, calendar also rises with SoC (the shape found by
Schmalstieg et al. 2014, J. Power Sources 257, and Naumann et al. 2018, J. Energy Storage 17).
The sizes are our own round figures: half of the vehicles lose 20 % in 10 to 15 years. A stretch of
constant conditions is exact whatever its length: the square root continues from the loss so far.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

YEAR_S = 365.25 * 86_400.0
CALENDAR_PER_SQRT_YEAR = 0.033
"""Loss after one year at 25 degC and SoC 0.6."""
CYCLE_PER_EFC = 9e-5
"""Loss per equivalent full cycle (twice the capacity moved) at 25 degC."""
CALENDAR_ACTIVATION_K, CYCLE_ACTIVATION_K = 3000.0, 1500.0
SOC_SLOPE = 0.8
GROWTH_PER_LOSS = 2.0
REFERENCE_K = 298.15


class Age(NamedTuple):
    """Losses as fractions of the new capacity, and the charge moved so far in full cycles.

    ``material`` is active material lost; ``growth_calendar`` and ``growth_cycle`` are resistance
    grown, as fractions of a new battery's.
    """

    calendar: float = 0.0
    cycle: float = 0.0
    efc: float = 0.0
    material: float = 0.0
    growth_calendar: float = 0.0
    growth_cycle: float = 0.0


@dataclass(frozen=True, slots=True)
class Ageing:
    """One vehicle's own pace: factors on the losses, resistance growth per loss, new capacity."""

    model: str = "NMC"
    pace: float = 1.0
    growth_per_loss: float = GROWTH_PER_LOSS
    new_soh: float = 1.0

    @classmethod
    def drawn(cls, rng: np.random.Generator, model: str = "NMC") -> "Ageing":
        """A pace drawn for one vehicle: log-normal, a fifth wide; new capacity 0.98 to 1.02."""
        return cls(
            model=model,
            pace=float(np.exp(rng.normal(0.0, 0.2))),
            growth_per_loss=GROWTH_PER_LOSS * float(rng.uniform(0.6, 1.4)),
            new_soh=float(rng.uniform(0.98, 1.02)),
        )

    def after(
        self,
        age: Age,
        seconds: float,
        temperature_degc: float,
        soc: float,
        efc: float,
        dod: float = 0.5,
        c_rate: float = 0.2,
    ) -> Age:
        """The age after ``seconds`` at constant conditions with ``efc`` full cycles in them.

        ``efc`` is charge moved over twice the new capacity, ``dod`` the swing of SoC, ``c_rate``
        the mean size of the current over the new capacity while it flows.
        """
        inverse = 1.0 / (temperature_degc + 273.15) - 1.0 / REFERENCE_K
        rate = self.pace * CALENDAR_PER_SQRT_YEAR * math.exp(-CALENDAR_ACTIVATION_K * inverse)
        rate *= max(1.0 + SOC_SLOPE * (soc - 0.6), 0.2)
        calendar = math.sqrt(age.calendar**2 + rate**2 * seconds / YEAR_S)
        wear = self.pace * CYCLE_PER_EFC * math.exp(-CYCLE_ACTIVATION_K * inverse)
        return Age(calendar, age.cycle + wear * efc, age.efc + efc)

    def soh(self, age: Age) -> float:
        """Capacity over the reference capacity."""
        return max(self.new_soh - age.calendar - age.cycle, 0.05)

    def growth(self, age: Age) -> float:
        """Resistance over that of a new battery."""
        return 1.0 + self.growth_per_loss * (age.calendar + age.cycle)

    def modes(self, age: Age) -> tuple[float, float, float]:
        """Loss of lithium inventory and of negative and positive active material, fractions."""
        return age.calendar + age.cycle, age.material, 0.0


def model(name: str) -> str:
    """The name of an ageing model: NMC, NCA, LFP."""
    return name
