"""The twin of the BMW i3 on a recorded drive: what it is told, and what it answers.

What winter adds is fixed by sources, since no drive of the fit was in winter:

- tyres roll harder in the cold, as `road` has it (ISO 28580);
- winter tyres from October to April (Germany's rule of thumb), 10 % more rolling resistance:
  rather less than one class of the EU tyre label (Regulation 2020/740: 1.2 N/kN wide);
- the sun into the cabin follows the month: mean global radiation at 48 degrees north, over July's;
- the cabin, its heater and its settings are those of the vehicle file.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.i3_drives import Drive, between, grade
from evitals.twin import cabin, road
from evitals.twin.pack import State, Trace
from evitals.twin.vehicle import TwinVehicle, pack_of

Floats = NDArray[np.float64]
WINTER_TYRES = 1.10
WINTER_MONTHS = (10, 11, 12, 1, 2, 3, 4)
SUN_IN_JULY_W = 300.0
SUN = (0.18, 0.32, 0.52, 0.75, 0.89, 0.98, 1.0, 0.86, 0.61, 0.38, 0.20, 0.14)
"""Global radiation of a mean day from January to December over July's, round figures for Munich."""
FORGOTTEN_S = 6 * 3600.0
"""After this long the cabin is where the weather leaves it."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the twin did on a drive: its trace and cabin power W (n,)."""

    trace: Trace
    cabin_w: Floats

    @property
    def energy_kwh(self) -> float:
        """Energy out of the terminals, kWh."""
        return -self.trace.energy_kwh


def rolling(drive: Drive) -> float:
    """Factor on the rolling resistance of summer tyres: the season's tyres."""
    return WINTER_TYRES if drive.start.month in WINTER_MONTHS else 1.0


def sun_w(drive: Drive) -> float:
    """What the sun brings into the cabin, W: a month's mean."""
    return SUN_IN_JULY_W * SUN[drive.start.month - 1]


def cabin_power_w(drive: Drive, car: TwinVehicle) -> Floats:
    """Electric power of the cabin, W (n,), from ambient, clock and the pause before the drive."""
    p, sun = car.cabin.parameters(), sun_w(drive)
    state = np.full(2, float(drive.ambient_degc))
    parked_s = FORGOTTEN_S if drive.parked_s is None else max(drive.parked_s, 0.0)
    if parked_s >= FORGOTTEN_S:
        cabin.park(10.0 * FORGOTTEN_S, drive.ambient_degc, sun, p, state)
    else:
        state[:] = np.clip(drive.ambient_degc, car.cabin.heat_to_degc, car.cabin.cool_to_degc)
        cabin.park(parked_s, drive.ambient_degc, sun, p, state)
    out = np.empty(drive.time_s.size)
    cabin.power_w(drive.step_s, drive.ambient_degc, sun, p, state, out)
    return out


def asked_w(drive: Drive, car: TwinVehicle, payload_kg: float, always_w: Floats) -> Floats:
    """Power asked of the battery, W (n,), positive charging."""
    watts, reached = np.empty(drive.time_s.size), np.empty(drive.time_s.size)
    v = road.parameters(car, float(np.mean(drive.elevation_m))).copy()
    v[road.ROLLING] *= rolling(drive)
    road.power(
        drive.time_s,
        between(drive),
        grade(drive),
        drive.ambient_degc,
        0.0,
        payload_kg,
        v,
        always_w,
        road.REGENERATION["symmetric"],
        watts,
        reached,
    )
    return watts


def run(drive: Drive, car: TwinVehicle, payload_kg: float, capacity_ah: float) -> Run:
    """The twin of ``car`` drives as recorded, from the recorded SoC and temperature on."""
    cabin_w = cabin_power_w(drive, car)
    watts = asked_w(drive, car, payload_kg, car.auxiliary_power_w + cabin_w)
    pack = pack_of(car)
    pack = pack_of(car, soh=capacity_ah / pack.capacity_ah)
    state = State(drive.soc_start, temperature_degc=drive.degc_start)
    trace = pack.run(state, drive.step_s, watts, drive.ambient_degc)
    return Run(trace, cabin_w)
