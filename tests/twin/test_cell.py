"""The twin's OCV: published, monotone, and not the estimators'."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evitals.errors import InputError
from evitals.twin import cell


@pytest.mark.parametrize("name", sorted(cell.cell_sets()))
def test_ocv_rises_between_its_two_voltages(name: str) -> None:
    table = cell.ocv_table(name)
    assert np.all(np.diff(table) > 0.0)
    assert (table[0], table[-1]) == pytest.approx((2.8, 4.2), abs=1e-6)


def test_the_published_full_voltage_is_met() -> None:
    # Chen et al. 2020: stoichiometries 0.9014 and 0.2661 are 4.2 V within 10 mV.
    full = cell.positive_ocp_v(np.array(0.2661)) - cell.negative_ocp_v(np.array(0.9014))
    assert full == pytest.approx(4.2, abs=0.01)


def test_an_unknown_cell_names_the_nearest() -> None:
    with pytest.raises(InputError, match="nmc811-lgm50"):
        cell.ocv_table("nmc-lgm50")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rms_mv"), [("nmc811-lgm50", (18.0, 30.0)), ("nmc811-rebalanced", (4.0, 10.0))]
)
def test_it_differs_from_the_measured_cell_of_the_estimators(
    public_data: Path, name: str, rms_mv: tuple[float, float]
) -> None:
    test = (
        pl.scan_parquet(public_data / "lg_18650hg2" / "tests_1hz.parquet")
        .filter(pl.col("test_id") == "25C_549_C20DisCh")
        .collect()
    )
    soc = np.linspace(0.1, 0.98, 89)
    branches = []
    for side in (pl.col("current_A") < -0.05, pl.col("current_A") > 0.05):
        part = test.filter(side).sort("Ah_counter")
        charge = part["Ah_counter"].to_numpy()
        state = (charge - charge[0]) / (charge[-1] - charge[0])
        branches.append(np.interp(soc, state, part["voltage_V"].to_numpy()))
    difference = 1000.0 * (cell.ocv(name, soc) - np.mean(branches, axis=0))
    low, high = rms_mv
    assert low < float(np.sqrt(np.mean(difference**2))) < high
