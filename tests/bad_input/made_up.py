"""One good drive of a pack in evitals' own CSV shape, for tests to spoil."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

START = datetime(2024, 3, 1, 8, 0, tzinfo=UTC)


def drive(day: float = 0.0, *, minutes: int = 20, vehicle_id: str | None = None) -> pl.DataFrame:
    """A drive at 1 Hz of a 96s pack of 60 Ah, ``day`` days after START."""
    rng = np.random.default_rng(round(day * 1000))
    time = np.arange(minutes * 60.0)
    current = -50.0 + 35.0 * np.sin(time / 13.0) + rng.normal(0.0, 5.0, len(time))
    moved = np.concatenate([[0.0], np.cumsum((current[1:] + current[:-1]) / 7200.0)])
    level = 0.9 + moved / 60.0
    start = START + timedelta(days=day)
    table = pl.DataFrame(
        {
            "timestamp": [(start + timedelta(seconds=t)).isoformat() for t in time],
            "time_s": time,
            "current_a": current.round(2),
            "voltage_v": (96 * (3.4 + 0.7 * level) + 0.09 * current).round(1),
            "soc": level.round(3),
            "temperature_degc": np.full(len(time), 20.0),
            "speed_mps": (14.0 - 6.0 * np.sin(time / 13.0) + rng.normal(0.0, 0.3, len(time))).round(
                2
            ),
        }
    )
    if vehicle_id is not None:
        table = table.with_columns(pl.lit(vehicle_id).alias("vehicle_id"))
    return table


def csv(table: pl.DataFrame) -> bytes:
    """A table as the bytes of a CSV file."""
    return table.write_csv().encode()
