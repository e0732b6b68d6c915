"""One vehicle, one trip: what it took and what the pack went through."""

import numpy as np
from msgspec import Struct

from evitals.battery import describe
from evitals.errors import InputError
from evitals.twin import cabin, cycles, road, vehicle
from evitals.twin.pack import Pack, State


class TripReport(Struct, frozen=True, kw_only=True):
    """A trip in numbers. Energy and power at the battery's terminals, positive = taken out."""

    vehicle: str
    cycle: str
    duration_s: float
    distance_km: float
    energy_kwh: float
    energy_kwh_per_km: float
    soc_start: float
    soc_end: float
    mean_power_kw: float
    peak_power_kw: float
    voltage_min_v: float
    current_max_a: float
    temperature_end_degc: float
    unmet_kwh: float
    """Energy asked for and not given, because a limit of the pack was reached."""


def trip(
    vehicle_name: str = "renault-zoe-ze50",
    cycle_name: str = "udds",
    *,
    soc: float = 0.9,
    ambient_degc: float = 22.0,
    soh: float = 1.0,
    growth: float = 1.0,
    regeneration: road.Regeneration = "symmetric",
) -> TripReport:
    """Drive a cycle once. Raises InputError naming what cannot be."""
    if not 0.0 <= soc <= 1.0:
        raise InputError("soc", soc, "is not a fraction", "give 0 to 1")
    if not -50.0 <= ambient_degc <= 60.0:
        raise InputError("ambient_degc", ambient_degc, "is no weather", "give -50 to 60")
    car = vehicle.vehicle(vehicle_name)
    cycle = cycles.cycle(cycle_name)
    pack = Pack(describe(car.vehicle_id).battery, car.cell, car.pack_mass_kg, soh, growth)
    step = np.diff(cycle.time_s, prepend=cycle.time_s[0])
    climate = np.empty(step.size)
    state = np.full(2, float(ambient_degc))
    cabin.power_w(step, float(ambient_degc), 0.0, car.cabin.parameters(), state, climate)
    asked = road.drive(
        car,
        cycle.time_s,
        cycle.speed_mps,
        ambient_degc=ambient_degc,
        always_w=car.auxiliary_power_w + climate,
        regeneration=regeneration,
    ).power_w
    trace = pack.run(State(soc, temperature_degc=ambient_degc), step, asked, ambient_degc)
    given = trace.current_a * trace.voltage_v
    distance_km = cycle.distance_m / 1000.0
    energy_kwh = -trace.energy_kwh
    return TripReport(
        vehicle=vehicle_name,
        cycle=cycle.name,
        duration_s=float(cycle.time_s[-1]),
        distance_km=distance_km,
        energy_kwh=energy_kwh,
        energy_kwh_per_km=energy_kwh / distance_km,
        soc_start=soc,
        soc_end=trace.state.soc,
        mean_power_kw=energy_kwh / (float(cycle.time_s[-1]) / 3600.0),
        peak_power_kw=float(-given.min()) / 1000.0,
        voltage_min_v=float(trace.voltage_v.min()),
        current_max_a=float(-trace.current_a.min()),
        temperature_end_degc=trace.state.temperature_degc,
        unmet_kwh=float(np.sum(np.maximum(given - asked, 0.0) * (asked < 0.0) * step)) / 3.6e6,
    )
