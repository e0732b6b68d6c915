"""The road load again, plainly and slowly: what the compiled kernel is held against.

Missed speeds are found by scipy's brentq instead of halving, the motor map is read between its
own points. Constants are written anew on purpose.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from evitals.twin.vehicle import TwinVehicle

Floats = NDArray[np.float64]


def drive(
    car: TwinVehicle,
    time_s: Floats,
    speed_mps: Floats,
    grade: Floats,
    ambient_degc: float,
    headwind_mps: float,
    payload_kg: float,
    regeneration: str,
) -> tuple[Floats, Floats]:
    """Power at the battery, W, and speed reached, m/s, both (n,)."""
    mass = car.mass_kg + payload_kg
    spinning = mass + car.wheel_inertia_kgm2 / car.wheel_radius_m**2
    pressure = 101_290.0 * ((15.04 - 0.00649 * 180.0 + 273.15) / 288.08) ** 5.256
    density = pressure / 287.0 / (273.15 + ambient_degc)
    watts, reached = np.zeros(time_s.size), np.zeros(time_s.size)
    before = float(speed_mps[0])
    for k in range(time_s.size):
        dt = float(time_s[k] - time_s[k - 1]) if k else 1.0
        slope = math.atan(float(grade[k]))
        most_n = min(
            car.traction_force_n,
            car.tyre_friction * car.driven_share * mass * 9.80665 * math.cos(slope),
        )

        def force(
            speed: float, before: float = before, dt: float = dt, slope: float = slope
        ) -> float:
            wind = 0.5 * (speed + before) + headwind_mps
            drag = 0.5 * density * car.drag_coefficient * car.frontal_area_m2 * wind * abs(wind)
            weight = mass * 9.80665
            rolling = car.rolling_resistance * (1.0 + car.rolling_per_k * (22.0 - ambient_degc))
            still = weight * (math.sin(slope) + rolling * math.cos(slope))
            return float(drag + still + spinning * (speed - before) / dt)

        def beyond(
            speed: float,
            before: float = before,
            most_n: float = most_n,
            force: Callable[[float], float] = force,
        ) -> float:
            mean = 0.5 * (speed + before)
            power_n = car.motor_power_w * car.transmission_efficiency / max(mean, 1e-9)
            return force(speed) - min(most_n, power_n)

        speed = float(speed_mps[k])
        if beyond(speed) > 0.0:
            speed = 0.0 if beyond(0.0) > 0.0 else float(brentq(beyond, 0.0, speed, xtol=1e-12))
        wheel = force(speed) * 0.5 * (speed + before)
        motor = _at_the_motor(car, wheel, most_n * 0.5 * (speed + before), regeneration)
        watts[k] = motor - car.auxiliary_power_w
        reached[k] = before = speed
    return watts, reached


def _at_the_motor(car: TwinVehicle, wheel_w: float, most_w: float, rule: str) -> float:
    def efficiency(load: float) -> float:
        return float(np.interp(load, car.motor_load, car.motor_efficiency))

    if wheel_w > 0.0:
        out = min(wheel_w / car.transmission_efficiency, car.motor_power_w)
        return -out / efficiency(out / car.motor_power_w)
    if rule == "none":
        return 0.0
    braking = min(-wheel_w, most_w) * car.transmission_efficiency
    limit = car.motor_power_w if car.regeneration_power_w is None else car.regeneration_power_w
    back = min(braking, limit, car.motor_power_w)
    return back * efficiency(back / car.motor_power_w if rule == "symmetric" else 0.0)
