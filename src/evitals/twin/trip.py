"""One vehicle, one trip: what it took, what the pack went through, what would be reported."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.twin import bms, cabin, circuit, cycles, journeys, road, vehicle
from evitals.twin.journeys import Journey
from evitals.twin.pack import Pack, State, Trace
from evitals.twin.recorder import TwinTrip
from evitals.twin.vehicle import TwinVehicle

Floats = NDArray[np.float64]
Engine = Literal["twin", "fastsim"]
ENGINES: tuple[Engine, ...] = ("twin", "fastsim")
START_S = 1_735_718_400
"""2025-01-01 08:00 UTC."""
CLOSE_W, SHORT_ROUNDS = 50.0, 4


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
    """The most the speed fell behind the trace: motor, tyres or pack could give no more."""
    trace_miss_s: float
    unmet_kwh: float
    """Energy that the trace asks for and a limit of the pack does not give; the car is slower."""


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
    unmet_w = _unmet_w(driven, trace)
    if engine == "twin" and unmet_w.max() > CLOSE_W:
        driven, trace = sample_by_sample(car, journey, climate, regeneration, pack, start)
    report = _report(car, journey, engine, driven, trace, climate, soc, unmet_w)
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


def _ours(
    car: TwinVehicle,
    journey: Journey,
    climate: Floats,
    regeneration: road.Regeneration | None,
    most_w: Floats | None = None,
) -> road.Drive:
    return road.drive(
        car,
        journey.time_s,
        journey.speed_mps,
        grade=journey.grade,
        ambient_degc=journey.ambient_degc,
        headwind_mps=journey.headwind_mps,
        payload_kg=journey.payload_kg,
        always_w=car.auxiliary_power_w + climate,
        most_w=most_w,
        regeneration=regeneration or "symmetric",
    )


def _unmet_w(driven: road.Drive, trace: Trace) -> Floats:
    """Power asked of the pack and not given, W (n,)."""
    given = trace.current_a * trace.voltage_v
    return np.where(driven.power_w < 0.0, np.maximum(given - driven.power_w, 0.0), 0.0)


def sample_by_sample(
    car: TwinVehicle,
    journey: Journey,
    climate: Floats,
    regeneration: road.Regeneration | None,
    pack: Pack,
    start: State,
) -> tuple[road.Drive, Trace]:
    """The journey sample by sample: where the pack falls short, the car has what the pack gives."""
    v, p, tables, state = road.parameters(car), pack.parameters(), pack.tables(), start.vector()
    rule = road.REGENERATION[regeneration or "symmetric"]
    time_s, wanted, n = journey.time_s, journey.speed_mps, journey.time_s.size
    step = np.diff(time_s, prepend=time_s[0])
    watts, speed = np.empty(n), np.empty(n)
    out, one = np.empty((circuit.OUTPUTS, n)), np.empty((circuit.OUTPUTS, 1))
    # A pair of samples: where the car is, and where the trace wants it next.
    when, pace, most = np.array([0.0, 1.0]), np.full(2, wanted[0]), np.full(2, np.inf)
    slope, always, asked, reached = (np.empty(2) for _ in range(4))
    for k in range(n):
        when[1] = step[k] if k else 1.0
        pace[1], slope[1], most[1] = wanted[k], journey.grade[k], np.inf
        slope[0], always[:] = slope[1], car.auxiliary_power_w + climate[k]
        for _ in range(SHORT_ROUNDS):
            road.power_within(
                when,
                pace,
                slope,
                journey.ambient_degc,
                journey.headwind_mps,
                journey.payload_kg,
                v,
                always,
                most,
                rule,
                asked,
                reached,
            )
            after = state.copy()
            here = journey.ambient_degc
            circuit.kernel(step[k : k + 1], asked[1:], here, True, 2.0, p, tables, after, one)
            gave_w = -one[circuit.CURRENT_A, 0] * one[circuit.VOLTAGE_V, 0]
            if asked[1] >= 0.0 or -asked[1] - gave_w < CLOSE_W:
                break
            most[1] = max(gave_w, 0.0)
        state, pace[0] = after, reached[1]
        watts[k], speed[k], out[:, k] = asked[1], reached[1], one[:, 0]
    miss = wanted - speed
    driven = road.Drive(watts, speed, float(miss.max()), float(step[miss > 0.01].sum()))
    current, voltage, soc, degc, lowest, highest = out
    return driven, Trace(step, current, voltage, soc, degc, lowest, highest, State.of(state))


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
    ours = _ours(car, journey, climate, regeneration)
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
    unmet_w: Floats,
) -> TripReport:
    step = trace.step_s
    given = trace.current_a * trace.voltage_v
    hours = float(step.sum()) / 3600.0
    speed = driven.speed_mps
    distance_km = float(np.sum(0.5 * (speed[1:] + speed[:-1]) * step[1:])) / 1000.0
    energy_kwh = 0.0 - trace.energy_kwh
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
        peak_power_kw=float(0.0 - given.min()) / 1000.0,
        voltage_min_v=float(trace.voltage_v.min()),
        current_max_a=float(0.0 - trace.current_a.min()),
        temperature_end_degc=trace.state.temperature_degc,
        cabin_kwh=float(climate @ step) / 3.6e6,
        trace_miss_mps=driven.miss_mps,
        trace_miss_s=driven.miss_s,
        unmet_kwh=float(unmet_w @ step) / 3.6e6,
    )
