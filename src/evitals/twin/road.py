"""From speed to power at the battery: road load, traction, drivetrain, regeneration, compiled.

Each interval ends at a sample. ``force = drag + rolling + ascent + inertia`` at the mean speed of
the interval (FASTSim's equations: Brooker et al., SAE 2015-01-0973), here with headwind and the
true sine and cosine of the slope. Where the motor's power or traction does not reach, the speed
that it can reach is solved and the next interval starts from it. Constants stay in this file or
come in by the vector: numba's cache watches only it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.twin.vehicle import TwinVehicle

Floats = NDArray[np.float64]
Regeneration = Literal["symmetric", "fastsim", "none"]
REGENERATION: dict[str, int] = {"symmetric": 0, "fastsim": 1, "none": 2}
"""``symmetric``: braking returns with the motoring efficiency at the same load; ``fastsim``: with
the efficiency at zero load, whatever the load; ``none``: friction brakes alone."""
SYMMETRIC, FASTSIM, NONE = range(3)

GRAVITY_MPS2 = 9.80665
ELEVATION_M = 180.0
"""Where FASTSim's standard air lies: 1.1728 kg/m3 at 22 degC."""
MAP = 501
"""Points of the motor map over 0..1 of its power (0.2 % steps, linear between)."""
ROLLING_DEGC = 22.0
"""Ambient temperature at which ``rolling_resistance`` holds."""
ROUNDS = 30
LIMITLESS_W = 1e9
LATE_MPS = 0.01
"""Slower than the trace by more than this is a miss."""

(
    MASS_KG,
    INERTIA_KG,
    DRAG_M2,
    ROLLING,
    PRESSURE_KGK_M3,
    MOTOR_W,
    BACK_W,
    FORCE_N,
    GRIP,
    TRANSMISSION,
    ROLLING_PER_K,
    SCALARS,
) = range(12)
"""Places of the parameters in the vector; the motor map follows from SCALARS on."""

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True, error_model="numpy")(function))


@dataclass(frozen=True, slots=True)
class Drive:
    """What driving takes: power at the battery W (n,), positive charging; speed reached m/s (n,).

    ``miss_mps`` is the most the speed fell behind, ``miss_s`` how long it did.
    """

    power_w: Floats
    speed_mps: Floats
    miss_mps: float
    miss_s: float


def air_density_kgpm3(ambient_degc: float, elevation_m: float = ELEVATION_M) -> float:
    """Density of air, kg/m3 (NASA Glenn's atmosphere model for the pressure, as in FASTSim 3)."""
    return _pressure(elevation_m) / (ambient_degc + 273.15)


def _pressure(elevation_m: float) -> float:
    """Pressure over the gas constant of air, kg K/m3."""
    lapse = (15.04 - 0.00649 * elevation_m + 273.15) / 288.08
    return float(101.29e3 * lapse**5.256 / 287.0)


@lru_cache(256)
def parameters(car: TwinVehicle, elevation_m: float = ELEVATION_M) -> Floats:
    """The kernel's vector, read-only: scalars in the order above, then the motor map."""
    load = np.linspace(0.0, 1.0, MAP)
    if car.motor_steps:
        at = np.searchsorted(car.motor_load, load + 1e-9, side="right") - 1
        efficiency = np.asarray(car.motor_efficiency)[at]
    else:
        efficiency = np.interp(load, car.motor_load, car.motor_efficiency)
    back_w = car.motor_power_w if car.regeneration_power_w is None else car.regeneration_power_w
    scalars = [
        car.mass_kg,
        car.wheel_inertia_kgm2 / car.wheel_radius_m**2,
        car.drag_coefficient * car.frontal_area_m2,
        car.rolling_resistance,
        _pressure(elevation_m),
        car.motor_power_w,
        min(back_w, car.motor_power_w),
        car.traction_force_n,
        car.tyre_friction * car.driven_share * GRAVITY_MPS2,
        car.transmission_efficiency,
        car.rolling_per_k,
    ]
    vector = np.concatenate([scalars, efficiency])
    vector.setflags(write=False)
    return vector


@_compiled
def _force(
    speed: float, before: float, dt: float, air: float, wind: float, still_n: float, inertia: float
) -> float:
    """Force at the tyres, N, that ends an interval at ``speed``; ``still_n`` is at any speed."""
    against = 0.5 * (speed + before) + wind
    return air * against * abs(against) + still_n + inertia * (speed - before) / dt


@_compiled
def _reached(
    wanted: float,
    before: float,
    dt: float,
    air: float,
    wind: float,
    still_n: float,
    inertia: float,
    most_n: float,
    most_w: float,
) -> float:
    """Speed that the motor reaches, below ``wanted``; by halving, force rises with speed."""
    low, high = 0.0, wanted
    for _ in range(ROUNDS):
        middle = 0.5 * (low + high)
        mean = 0.5 * (middle + before)
        needs = _force(middle, before, dt, air, wind, still_n, inertia)
        if needs > most_n or needs * mean > most_w:
            high = middle
        else:
            low = middle
    return low


@_compiled
def _efficiency(v: Floats, load: float) -> float:
    place = load * (MAP - 1)
    at = min(int(place), MAP - 2)
    low = v[SCALARS + at]
    return float(low + (place - at) * (v[SCALARS + at + 1] - low))


@_compiled
def _shaft(v: Floats, electric_w: float) -> float:
    """Power at the motor's shaft, W, from so much at its terminals; 0 from none."""
    shaft = 0.9 * max(electric_w, 0.0)
    for _ in range(4):
        shaft = max(electric_w, 0.0) * _efficiency(v, min(shaft / v[MOTOR_W], 1.0))
    return shaft


@_compiled
def power_within(
    time_s: Floats,
    speed_mps: Floats,
    grade: Floats,
    ambient_degc: float,
    headwind_mps: float,
    payload_kg: float,
    v: Floats,
    always_w: Floats,
    most_w: Floats,
    regeneration: int,
    out_power_w: Floats,
    out_speed_mps: Floats,
) -> float:
    """As ``power``, from a battery that gives at most ``most_w`` (n,), or without end if empty."""
    mass = v[MASS_KG] + payload_kg
    inertia = mass + v[INERTIA_KG]
    air = 0.5 * v[DRAG_M2] * v[PRESSURE_KGK_M3] / (ambient_degc + 273.15)
    rolling = v[ROLLING] * (1.0 + v[ROLLING_PER_K] * (ROLLING_DEGC - ambient_degc))
    motor_w, gear = v[MOTOR_W], v[TRANSMISSION]
    limited, wheel_w = most_w.size > 0, motor_w * gear
    before, dt, miss = speed_mps[0], 1.0, 0.0
    for k in range(time_s.size):
        if k > 0:
            dt = time_s[k] - time_s[k - 1]
        level = 1.0 / math.sqrt(1.0 + grade[k] * grade[k])
        still_n = mass * GRAVITY_MPS2 * level * (rolling + grade[k])
        most_n = min(v[FORCE_N], mass * v[GRIP] * level)
        if limited:
            wheel_w = motor_w * gear
            if most_w[k] < LIMITLESS_W:
                wheel_w = min(_shaft(v, most_w[k] - always_w[k]), motor_w) * gear
        speed = speed_mps[k]
        force = _force(speed, before, dt, air, headwind_mps, still_n, inertia)
        mean = 0.5 * (speed + before)
        if force > most_n or force * mean > wheel_w:
            speed = _reached(
                speed, before, dt, air, headwind_mps, still_n, inertia, most_n, wheel_w
            )
            force = _force(speed, before, dt, air, headwind_mps, still_n, inertia)
            mean = 0.5 * (speed + before)
            miss = max(miss, speed_mps[k] - speed)
        if force > 0.0:
            shaft = min(force * mean / gear, motor_w)
            given = -shaft / _efficiency(v, shaft / motor_w)
        elif regeneration == NONE:
            given = 0.0
        else:
            shaft = min(min(-force, most_n) * mean * gear, v[BACK_W])
            given = shaft * _efficiency(v, shaft / motor_w if regeneration == SYMMETRIC else 0.0)
        out_power_w[k] = given - always_w[k]
        out_speed_mps[k] = speed
        before = speed
    return miss


@_compiled
def power(
    time_s: Floats,
    speed_mps: Floats,
    grade: Floats,
    ambient_degc: float,
    headwind_mps: float,
    payload_kg: float,
    v: Floats,
    always_w: Floats,
    regeneration: int,
    out_power_w: Floats,
    out_speed_mps: Floats,
) -> float:
    """Power at the battery, W (n,), positive charging, and the speed reached, m/s (n,).

    ``grade`` (n,) is rise over run, ``always_w`` (n,) what auxiliaries and cabin draw whatever the
    speed. The first sample counts as one second at its own speed. Returns the largest miss, m/s.
    """
    return float(
        power_within(
            time_s,
            speed_mps,
            grade,
            ambient_degc,
            headwind_mps,
            payload_kg,
            v,
            always_w,
            out_power_w[:0],
            regeneration,
            out_power_w,
            out_speed_mps,
        )
    )


def drive(
    car: TwinVehicle,
    time_s: Floats,
    speed_mps: Floats,
    *,
    grade: Floats | None = None,
    ambient_degc: float = 22.0,
    headwind_mps: float = 0.0,
    payload_kg: float = 0.0,
    always_w: Floats | float | None = None,
    most_w: Floats | None = None,
    regeneration: Regeneration = "symmetric",
    elevation_m: float = ELEVATION_M,
) -> Drive:
    """Drive a speed trace (n,) once; ``always_w`` defaults to the car's auxiliaries, ``most_w``
    (n,) is what the battery can give (default: enough).

    Raises InputError for a payload the car may not carry, a slope steeper than 1:2, an unknown
    rule of regeneration and weather that cannot be.
    """
    _check(car, grade, ambient_degc, headwind_mps, payload_kg, regeneration)
    n = time_s.size
    slope = np.zeros(n) if grade is None else np.asarray(grade, float)
    always = np.empty(n)
    always[:] = car.auxiliary_power_w if always_w is None else always_w
    watts, reached = np.empty(n), np.empty(n)
    miss = power_within(
        time_s,
        speed_mps,
        slope,
        float(ambient_degc),
        float(headwind_mps),
        float(payload_kg),
        parameters(car, elevation_m),
        always,
        np.empty(0) if most_w is None else most_w,
        REGENERATION[regeneration],
        watts,
        reached,
    )
    late_s = 0.0
    if miss > LATE_MPS:
        late = speed_mps - reached > LATE_MPS
        late_s = float(np.diff(time_s, prepend=time_s[0])[late].sum())
    return Drive(watts, reached, miss, late_s)


def _check(
    car: TwinVehicle,
    grade: Floats | None,
    ambient_degc: float,
    headwind_mps: float,
    payload_kg: float,
    regeneration: str,
) -> None:
    if regeneration not in REGENERATION:
        raise InputError(
            "regeneration", regeneration, "is no rule", f"use {', '.join(REGENERATION)}"
        )
    if not 0.0 <= payload_kg <= car.payload_max_kg:
        most = f"give 0 to {car.payload_max_kg:g} kg for {car.vehicle_id}"
        raise InputError("payload_kg", payload_kg, "cannot be carried", most)
    if not -50.0 <= ambient_degc <= 60.0:
        raise InputError("ambient_degc", ambient_degc, "is no weather", "give -50 to 60")
    if not -40.0 <= headwind_mps <= 40.0:
        raise InputError("headwind_mps", headwind_mps, "is no weather", "give -40 to 40")
    if grade is not None and not np.all(np.abs(grade) <= 0.5):
        raise InputError("grade", "a slope", "is steeper than 1:2 or missing", "give -0.5 to 0.5")
