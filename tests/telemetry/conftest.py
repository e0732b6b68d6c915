"""Made-up recordings for telemetry's tests."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from evitals.battery import Battery, Limits
from evitals.telemetry.recording import Recording

Make = Callable[..., Recording]


@pytest.fixture(scope="session")
def battery() -> Battery:
    """A pack of 60 Ah, 96 cells in series."""
    limits = Limits(
        cell_voltage_min_v=2.8,
        cell_voltage_max_v=4.15,
        discharge_current_a=400.0,
        charge_current_a=150.0,
        soc_max=0.95,
    )
    return Battery(
        level="pack", series=96, chemistry="NMC", reference_capacity_ah=60.0, limits=limits
    )


@pytest.fixture(scope="session")
def record() -> Make:
    """A recording from columns: ``record(current_a=[...], step=1.0, ...)``; digest "d"."""

    def make(*, step: float = 1.0, **columns: object) -> Recording:
        table = pl.DataFrame(columns).with_columns(pl.all().cast(pl.Float64))
        if "time_s" not in table.columns:
            table = table.with_columns(time_s=step * pl.arange(0, table.height, eager=True))
        if "voltage_v" not in table.columns:
            table = table.with_columns(voltage_v=pl.lit(370.0))
        return Recording(table=table, source="evitals", digest="d")

    return make


@pytest.fixture(scope="session")
def drive(record: Make) -> Make:
    """A healthy drive from SoC 0.8, ``rows`` samples at 1 s; ``changes`` replace columns."""

    def make(rows: int = 1800, capacity_ah: float = 60.0, **changes: object) -> Recording:
        t = np.arange(rows, dtype=float)
        current = -25.0 + 20.0 * np.sin(t / 7.0) + 4.0 * np.sin(t / 1.7)
        charge = np.concatenate([[0.0], np.cumsum(0.5 * (current[1:] + current[:-1]))]) / 3600
        soc = 0.8 + charge / capacity_ah
        columns = {
            "time_s": t,
            "current_a": current,
            "voltage_v": 350.0 + 40.0 * soc + 0.1 * current,
            "soc": soc,
            "speed_mps": 12.0 + 6.0 * np.sin(t / 11.0),
        }
        return record(**(columns | changes))

    return make
