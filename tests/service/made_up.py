"""Made-up drives of a pack with a known capacity, in evitals' own CSV shape."""

from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import polars as pl

START = datetime(2024, 3, 1, 8, 0, tzinfo=UTC)
CAPACITY_AH = 57.0


def drive(
    day: float = 0.0,
    *,
    vehicle_id: str | None = None,
    dated: bool = True,
    minutes: int = 25,
    capacity_ah: float = CAPACITY_AH,
    soc: float = 0.9,
    seed: int = 0,
) -> pl.DataFrame:
    """A drive at 1 Hz, ``day`` days after START, of a 96s pack of ``capacity_ah``."""
    rng = np.random.default_rng([seed, round(day * 1000)])
    time = np.arange(minutes * 60.0)
    current = -45.0 + 30.0 * np.sin(time / 17.0) + rng.normal(0.0, 6.0, len(time))
    moved = np.concatenate([[0.0], np.cumsum((current[1:] + current[:-1]) / 7200.0)])
    level = soc + moved / capacity_ah
    voltage = 96 * (3.4 + 0.7 * level) + 0.09 * current
    table = pl.DataFrame(
        {
            "time_s": time,
            "current_a": current.round(2),
            "voltage_v": voltage.round(1),
            "soc": level.round(3),
            "temperature_degc": np.full(len(time), 20.0),
            "speed_mps": np.full(len(time), 14.0) + rng.normal(0.0, 1.0, len(time)).round(2),
        }
    )
    if dated:
        start = START + timedelta(days=day)
        stamps = [(start + timedelta(seconds=t)).isoformat() for t in time]
        table = table.with_columns(pl.Series("timestamp", stamps))
    if vehicle_id is not None:
        table = table.with_columns(pl.lit(vehicle_id).alias("vehicle_id"))
    return table


def csv(table: pl.DataFrame) -> bytes:
    """A table as the bytes of a CSV file."""
    return table.write_csv().encode()


def parquet(table: pl.DataFrame) -> bytes:
    """A table as the bytes of a Parquet file."""
    buffer = BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()
