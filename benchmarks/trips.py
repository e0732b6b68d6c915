"""Made-up trips for benchmarks: the twin drives UDDS, written as the reference's trip CSV."""

import io
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from msgspec import structs

from evitals.battery import Vehicle, describe
from evitals.twin import cycles, road, vehicle
from evitals.twin.pack import Pack, State

MODEL = "renault-zoe-ze50"
CURRENT_STEP_A, SOC_STEP, VOLTAGE_STEP_V, SPEED_STEP_MPS = 0.1, 0.005, 0.1, 0.01


def vehicle_named(vehicle_id: str) -> Vehicle:
    """A Zoe called ``vehicle_id`` whose undated trips count as of 2025-01-01."""
    return structs.replace(
        describe(MODEL),
        vehicle_id=vehicle_id,
        undated_start=datetime(2025, 1, 1, tzinfo=UTC),
    )


@cache
def _udds() -> tuple[Pack, np.ndarray, np.ndarray, np.ndarray]:
    car, udds = vehicle.vehicle(MODEL), cycles.cycle("udds")
    pack = Pack(describe(MODEL).battery, car.cell, car.pack_mass_kg)
    step = np.diff(udds.time_s, prepend=udds.time_s[0])
    return pack, step, road.drive(car, udds.time_s, udds.speed_mps).power_w, udds.speed_mps


def trip_csv(number: int) -> bytes:
    """UDDS once, 1,370 rows at 1 Hz, current and power positive while driving.

    ``number`` sets the initial SoC and the weather: files of different numbers differ.
    """
    pack, step, power, speed = _udds()
    rng = np.random.default_rng([7, number])
    degc = float(rng.uniform(5.0, 30.0))
    state = State(float(rng.uniform(0.4, 0.95)), temperature_degc=degc)
    trace = pack.run(state, step, power, degc)
    current = _steps(trace.current_a, CURRENT_STEP_A)
    voltage = _steps(trace.voltage_v, VOLTAGE_STEP_V)
    table = pl.DataFrame(
        {
            "time_s": np.cumsum(trace.step_s).astype(np.int64),
            "speed_mps": _steps(speed, SPEED_STEP_MPS),
            "power_kw": np.round(-current * voltage / 1000.0, 4),
            "soc": _steps(trace.soc, SOC_STEP),
            "energy_kwh": np.round(-np.cumsum(current * voltage) / 3.6e6, 5),
            "voltage_V": voltage,
            "current_A": np.round(-current, 1) + 0.0,
            "temperature_C": np.round(trace.temperature_degc, 1),
        }
    )
    out = io.BytesIO()
    table.write_csv(out)
    return out.getvalue()


def write_trips(folder: Path, count: int, vehicles: int) -> list[Path]:
    """``count`` trips of ``vehicles`` vehicles as ``car-V_N.csv`` in ``folder``, made if absent."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"car-{n % vehicles:04d}_{n:06d}.csv" for n in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(trip_csv(number))
    return paths


def _steps(values: np.ndarray, step: float) -> np.ndarray:
    """Rounded to a sensor's resolution, without the digits that binary fractions add."""
    return np.round(np.round(values / step) * step, 6)
