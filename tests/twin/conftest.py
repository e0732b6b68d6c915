"""A pack to play with."""

import pytest

from evitals.battery import Battery, Limits
from evitals.twin.pack import Pack


@pytest.fixture
def pack() -> Pack:
    battery = Battery(
        level="pack",
        series=96,
        parallel=2,
        chemistry="NMC",
        reference_capacity_ah=120.0,
        limits=Limits(
            cell_voltage_min_v=2.8,
            cell_voltage_max_v=4.2,
            discharge_current_a=400.0,
            charge_current_a=200.0,
        ),
    )
    return Pack(battery, "nmc811-lgm50", 326.0, soh=0.85, growth=1.3)
