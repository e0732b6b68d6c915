"""A made-up pack and drive."""

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Battery, Limits, Sensors

Columns = dict[str, NDArray[np.float64]]

PACK = Battery(
    level="pack",
    series=96,
    chemistry="NMC",
    reference_capacity_ah=60.0,
    limits=Limits(
        cell_voltage_min_v=2.8,
        cell_voltage_max_v=4.15,
        discharge_current_a=400.0,
        charge_current_a=150.0,
    ),
    sensors=Sensors(soc_resolution=0.001),
)


def drive(n: int = 1201, dt: float = 1.0, capacity: float = 58.0, seed: int = 3) -> Columns:
    """A made-up drive: current noise around -30 A, SoC that counts it, 0.08 ohm."""
    rng = np.random.default_rng(seed)
    t = np.arange(n, dtype=np.float64) * dt
    current = -30.0 + 25.0 * rng.standard_normal(n)
    charge = np.concatenate([[0.0], np.cumsum(0.5 * (current[1:] + current[:-1]) * dt)]) / 3600
    return {
        "time_s": t,
        "current_a": current,
        "voltage_v": 380.0 + 0.08 * current,
        "temperature_degc": np.full(n, 21.0),
        "soc": 0.8 + charge / capacity,
        "speed_mps": np.full(n, 10.0),
    }


def known(value: float | None) -> float:
    """The number; fails where it is missing."""
    assert value is not None
    return value
