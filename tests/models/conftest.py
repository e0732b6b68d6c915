"""Made-up tests of cells for the rooms of models."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evitals.cells.measurements import CAMPAIGNS, drive_tests
from evitals.telemetry.celltest import Array, CellTest

Make = Callable[..., CellTest]


def made(
    test_id: str = "drive",
    cell: str = "A",
    profile: str = "city",
    rows: int = 400,
    step_s: float = 1.0,
    seed: int = 0,
) -> CellTest:
    """A noisy drive of a made-up cell: SoC counted from the current, 0.03 ohm."""
    draw = np.random.default_rng([seed, *test_id.encode()])
    time_s: Array = step_s * np.arange(rows, dtype=np.float64)
    current = draw.normal(-2.0, 2.0, rows)
    soc = 1.0 + np.cumsum(current * step_s) / 3600.0 / 3.0
    voltage = 3.2 + soc + 0.03 * current + draw.normal(0.0, 1e-3, rows)
    columns: dict[str, Array] = {
        "time_s": time_s,
        "current_a": current,
        "voltage_v": voltage,
        "temperature_degc": 20.0 + 0.01 * time_s,
        "soc": soc,
    }
    return CellTest(test_id, cell, profile, columns, 20.0, "made up", "simulated")


@pytest.fixture
def make() -> Make:
    return made


@pytest.fixture(scope="session")
def real_drives(public_data: Path) -> list[CellTest]:
    """The LG 18650HG2 drives that fit a model, as CellTests at 1 Hz."""
    campaign = CAMPAIGNS["NMC"]
    names = ("time_s", "current_a", "voltage_v", "temperature_degc", "soc")
    return [
        CellTest(
            one.test_id,
            campaign.cell,
            one.profile,
            {name: getattr(one, name) for name in names},
            one.ambient_degc,
        )
        for one in drive_tests(campaign, public_data, campaign.fit_profiles)
    ]
