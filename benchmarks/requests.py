"""Made-up requests in the reference's fields: discharges of single cells."""

import msgspec
import numpy as np
import numpy.typing as npt

RANGES = {
    "discharge_time_s": (1500.0, 4000.0), "voltage_drop_time_s": (500.0, 2500.0),
    "delta_T_C": (5.0, 25.0), "avg_current": (-2.2, -1.8), "avg_voltage": (3.4, 3.8),
    "current_std": (0.0, 0.2), "voltage_std": (0.2, 0.6), "mean_max_temp": (20.0, 45.0),
    "dod": (50.0, 100.0), "voltage_V_mean": (3.4, 3.8), "current_A_mean": (-2.2, -1.8),
    "temperature_C_mean": (15.0, 40.0), "temperature_C_max": (20.0, 50.0),
}  # fmt: skip


def columns(count: int, seed: int) -> dict[str, npt.NDArray[np.float64]]:
    """``count`` rows drawn evenly from ``RANGES``, as columns."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(low, high, count) for name, (low, high) in RANGES.items()}


def bodies(count: int = 1000) -> list[bytes]:
    """Requests of as many vehicles."""
    made = columns(count, seed=5)
    return [
        msgspec.json.encode(
            {"vehicle_id": f"cell-{n:04d}"}
            | {name: round(float(values[n]), 4) for name, values in made.items()}
        )
        for n in range(count)
    ]
