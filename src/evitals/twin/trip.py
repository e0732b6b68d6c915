"""One vehicle, one trip: what it took, what the pack went through, what would be reported."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.twin import bms, cabin, cycles, journeys, road, vehicle
from evitals.twin.journeys import Journey
from evitals.twin.pack import State, Trace
from evitals.twin.recorder import TwinTrip
from evitals.twin.vehicle import TwinVehicle

Floats = NDArray[np.float64]
Engine = Literal["twin", "fastsim"]
ENGINES: tuple[Engine, ...] = ("twin", "fastsim")
START_S = 1_735_718_400
"""2025-01-01 08:00 UTC."""


class TripReport(Struct, frozen=True, kw_only=True):
    """A trip in numbers. Energy and power at the battery's terminals, positive = taken out."""

    vehicle: str
    cycle: str
    engine: Engine
    duration_s: float
    distance_km: float
    energy_kwh: float
    energy_kwh_per_km: float | None
    """None where the vehicle did not move."""
    soc_start: float
    soc_end: float
    mean_power_kw: float
    peak_power_kw: float
    voltage_min_v: float
    current_max_a: float
    temperature_end_degc: float
    cabin_kwh: float
    """Heating, cooling and blower of the cabin, within ``energy_kwh``."""
    trace_miss_mps: float
    """The most the speed fell behind the trace, because motor or tyres could give no more."""
    trace_miss_s: float
    unmet_kwh: float
    """Energy asked for and not given, because a limit of the pack was reached."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A driven journey: the report, the speed reached m/s (n,) and what truly happened."""

    car: TwinVehicle
    journey: Journey
    report: TripReport
    speed_mps: Floats
    trace: Trace


def drive(
    car: TwinVehicle,
    journey: Journey,
    *,
    soc: float = 0.9,
    soh: float = 1.0,
    growth: float = 1.0,
    regeneration: road.Regeneration | None = None,
    engine: Engine = "twin",
) -> Trip:
    """Drive a journey once, cabin and pack at ambient temperature when it begins.

    ``regeneration`` defaults to "symmetric"; the engine "fastsim" knows its own rule only. Raises
    InputError naming what cannot be, MissingExtra without FASTSim.
    """
    if not 0.0 <= soc <= 1.0:
        raise InputError("soc", soc, "is not a fraction", "give 0 to 1")
    pack = vehicle.pack_of(car, soh, growth)
    step = np.diff(journey.time_s, prepend=journey.time_s[0])
    climate, air = np.empty(step.size), np.full(2, journey.ambient_degc)
    cabin.power_w(step, journey.ambient_degc, 0.0, car.cabin.parameters(), air, climate)
    driven = _driven(car, journey, climate, regeneration, engine, soc)
    start = State(soc, temperature_degc=journey.ambient_degc)
    trace = pack.run(start, step, driven.power_w, journey.ambient_degc)
    report = _report(car, journey, engine, driven, trace, climate, soc)
    return Trip(car, journey, report, driven.speed_mps, trace)


def trip(
    vehicle_name: str = "renault-zoe-ze50",
    cycle_name: str = "udds",
    *,
    soc: float = 0.9,
    ambient_degc: float = 22.0,
    soh: float = 1.0,
    growth: float = 1.0,
    regeneration: road.Regeneration | None = None,
    engine: Engine = "twin",
    payload_kg: float = 0.0,
    grade: float = 0.0,
    headwind_mps: float = 0.0,
) -> TripReport:
    """Drive a cycle (a name or a CSV file) once. Raises InputError naming what cannot be."""
    journey = journeys.over(
        cycles.cycle_from(cycle_name),
        grade=grade,
        ambient_degc=ambient_degc,
        headwind_mps=headwind_mps,
        payload_kg=payload_kg,
    )
    return drive(
        vehicle.vehicle_from(vehicle_name),
        journey,
        soc=soc,
        soh=soh,
        growth=growth,
        regeneration=regeneration,
        engine=engine,
    ).report


def recorded(driven: Trip, seed: int = 1, start_s: int = START_S) -> TwinTrip:
    """The trip as the vehicle would report it: sensor errors and noise drawn from the seed.

    ``start_s`` is in seconds since 1970 UTC; the BMS begins with the true SoC.
    """
    rng, battery = np.random.default_rng(seed), vehicle.battery_of(driven.car)
    errors, trace = bms.SensorErrors.drawn(rng), driven.trace
    believed_ah = battery.reference_capacity_ah * (1.0 + errors.capacity_error)
    unit = bms.Bms(errors, battery.sensors, driven.report.soc_start, believed_ah, seed)
    true = np.stack(
        [
            trace.current_a,
            trace.voltage_v,
            trace.soc,
            trace.temperature_degc,
            trace.lowest_v,
            trace.highest_v,
        ]
    )
    out = np.empty((bms.ROWS, trace.step_s.size))
    kept = bms.report(
        trace.step_s,
        true,
        driven.speed_mps,
        driven.journey.ambient_degc,
        True,
        unit.p,
        unit.s,
        unit.random,
        bms.NORMAL,
        out,
    )
    rows = out[:, :kept]
    return TwinTrip(
        driven.car.vehicle_id,
        start_s,
        dict(zip(bms.COLUMNS, rows, strict=False)),
        dict(zip(bms.HIDDEN, rows[len(bms.COLUMNS) :], strict=True)),
    )


def _driven(
    car: TwinVehicle,
    journey: Journey,
    climate: Floats,
    regeneration: road.Regeneration | None,
    engine: Engine,
    soc: float,
) -> road.Drive:
    always = car.auxiliary_power_w + climate
    if engine not in ENGINES:
        raise InputError("engine", engine, "is not known", f"use one of {', '.join(ENGINES)}")
    ours = road.drive(
        car,
        journey.time_s,
        journey.speed_mps,
        grade=journey.grade,
        ambient_degc=journey.ambient_degc,
        headwind_mps=journey.headwind_mps,
        payload_kg=journey.payload_kg,
        always_w=always,
        regeneration=regeneration or "symmetric",
    )
    if engine == "twin":
        return ours
    if regeneration not in (None, "fastsim"):
        raise InputError("regen", regeneration, "is no rule of FASTSim", "leave it out")
    if journey.headwind_mps != 0.0:
        raise InputError("wind", journey.headwind_mps, "is unknown to FASTSim", "leave it out")
    from evitals.twin.oracles import fastsim

    return fastsim.drive(
        car,
        journey.time_s,
        journey.speed_mps,
        grade=journey.grade,
        payload_kg=journey.payload_kg,
        soc=soc,
        always_w=always,
    )


def _report(
    car: TwinVehicle,
    journey: Journey,
    engine: Engine,
    driven: road.Drive,
    trace: Trace,
    climate: Floats,
    soc: float,
) -> TripReport:
    asked, step = driven.power_w, trace.step_s
    given = trace.current_a * trace.voltage_v
    hours = float(step.sum()) / 3600.0
    speed = driven.speed_mps
    distance_km = float(np.sum(0.5 * (speed[1:] + speed[:-1]) * step[1:])) / 1000.0
    energy_kwh = -trace.energy_kwh
    return TripReport(
        vehicle=car.vehicle_id,
        cycle=journey.name,
        engine=engine,
        duration_s=float(step.sum()),
        distance_km=distance_km,
        energy_kwh=energy_kwh,
        energy_kwh_per_km=energy_kwh / distance_km if distance_km > 0.0 else None,
        soc_start=soc,
        soc_end=trace.state.soc,
        mean_power_kw=energy_kwh / hours,
        peak_power_kw=float(-given.min()) / 1000.0,
        voltage_min_v=float(trace.voltage_v.min()),
        current_max_a=float(-trace.current_a.min()),
        temperature_end_degc=trace.state.temperature_degc,
        cabin_kwh=float(climate @ step) / 3.6e6,
        trace_miss_mps=driven.miss_mps,
        trace_miss_s=driven.miss_s,
        unmet_kwh=float(np.sum(np.maximum(given - asked, 0.0) * (asked < 0.0) * step)) / 3.6e6,
    )
