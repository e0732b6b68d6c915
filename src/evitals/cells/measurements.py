"""Bench tests of single cells, as the fit and its validation read them.

Two public campaigns by P. Kollmeyer: LG 18650HG2 and Panasonic NCR18650PF. Drive cycles that
shape the tables and those that only judge them are named here and never mixed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_STEP_S = 5.0
"""A longer pause between samples is a gap: a test with one neither fits nor validates."""


@dataclass(frozen=True, slots=True)
class CellTest:
    """One test of one cell. Arrays of one length; current in A, positive while charging.

    ``mean_current_a`` is the mean over the interval that ends at the sample (from the cycler's
    charge counter where the samples were decimated): what charged the slow branches.
    """

    test_id: str
    profile: str
    ambient_degc: float
    time_s: Array
    current_a: Array
    mean_current_a: Array
    voltage_v: Array
    temperature_degc: Array
    soc: Array


@dataclass(frozen=True, slots=True)
class Campaign:
    """A cell's tests: which fit, which validate, which gives the OCV, on which capacity."""

    chemistry: str
    cell: str
    source: str
    folder: str
    drives: str
    others: str
    ocv_test: str
    capacity_ah: float
    fit_profiles: frozenset[str]
    validation_profiles: frozenset[str]
    known_gaps: tuple[str, ...]
    excluded: tuple[str, ...] = ()


CAMPAIGNS = {
    "NMC": Campaign(
        chemistry="NMC",
        cell="LG 18650HG2",
        source=(
            "P. Kollmeyer, C. Vidal, M. Naguib, M. Skells (2020), LG 18650HG2 Li-ion Battery Data "
            "and Example Deep Neural Network xEV SOC Estimator Script, Mendeley Data V3, "
            "doi:10.17632/cp3473x7xv.3"
        ),
        folder="lg_18650hg2",
        drives="tests_1hz.parquet",
        others="tests_1hz.parquet",
        ocv_test="25C_549_C20DisCh",
        capacity_ah=2.78,
        fit_profiles=frozenset(f"Mixed{n}" for n in range(1, 9)),
        validation_profiles=frozenset({"UDDS", "HWFET"}),
        known_gaps=(
            "one new cell: spread between cells and ageing are not in the tables",
            "cold drives end early: below 43 % SoC at -20 degC, 23 % at -10 degC, 15 % at 0 degC "
            "the tables continue the shape of the next warmer temperature",
            "resistance does not depend on current: at -10 degC and below small currents see more, "
            "large ones less than the tables say",
        ),
        # The rig ran at about 23 degC and stopped after 0.19 Ah.
        excluded=("40C_562_",),
    ),
    "NCA": Campaign(
        chemistry="NCA",
        cell="Panasonic NCR18650PF",
        source=(
            "P. Kollmeyer (2018), Panasonic 18650PF Li-ion Battery Data, Mendeley Data V1, "
            "doi:10.17632/wykht8y7tg.1"
        ),
        folder="panasonic_18650pf",
        drives="drive_cycles_1hz.parquet",
        others="other_tests.parquet",
        ocv_test="20170508_1326_C20_OCV_Test_C20_25dC",
        capacity_ah=2.9,
        fit_profiles=frozenset({"Cycle_1", "Cycle_2", "Cycle_3", "Cycle_4", "NN"}),
        validation_profiles=frozenset({"UDDS", "HWFET", "HWFTa", "HWFTb"}),
        known_gaps=(
            "one cell that aged from 2.8 to 2.3 Ah (1C) over the campaign, warm tests first: "
            "cold tables hold some ageing, and SoC counts on 2.9 Ah throughout",
            "no regeneration below 10 degC; drives end at 20, 30, 40 % SoC at 0, -10, -20 degC",
            "nothing above 25 degC: warmer cells are answered with the 25 degC tables",
            "resistance does not depend on current",
        ),
        excluded=("trise",),
    ),
}


def drive_tests(campaign: Campaign, data: Path, profiles: frozenset[str]) -> Iterator[CellTest]:
    """The campaign's gap-free drive cycles of these profiles, in order of their test id."""
    folder = data / campaign.folder
    index = pl.read_parquet(folder / "tests.parquet").filter(
        pl.col("profile").is_in(list(profiles)), pl.col("step") == "drive"
    )
    table = pl.read_parquet(folder / campaign.drives).with_columns(
        pl.col("test_id").cast(pl.String)
    )
    groups = {str(key[0]): group for key, group in table.group_by("test_id")}
    for row in index.sort("test_id").iter_rows(named=True):
        test_id = str(row["test_id"])
        if test_id not in groups or any(word in test_id for word in campaign.excluded):
            continue
        test = _test(groups[test_id], row)
        if np.max(np.diff(test.time_s)) <= MAX_STEP_S:
            yield test


def other_test(campaign: Campaign, data: Path, test_id: str) -> CellTest:
    """One characterisation test (C/20, HPPC) by its id; it may hold pauses."""
    folder = data / campaign.folder
    index = pl.read_parquet(folder / "tests.parquet").filter(pl.col("test_id") == test_id)
    table = pl.scan_parquet(folder / campaign.others).filter(
        pl.col("test_id").cast(pl.String) == test_id
    )
    return _test(table.collect(), index.row(0, named=True))


def _test(table: pl.DataFrame, row: dict[str, Any]) -> CellTest:
    def column(name: str) -> Array:
        return table[name].cast(pl.Float64).to_numpy()

    time_s, current = column("time_s"), column("current_A")
    mean = current.copy()
    # The counter's step is what really flowed; its resolution (1e-5 Ah) is 36 mA over a second.
    moved = np.diff(column("Ah_counter")) * 3600.0
    mean[1:] = moved / np.maximum(np.diff(time_s), 1e-3)
    return CellTest(
        test_id=str(row["test_id"]),
        profile=str(row["profile"]),
        ambient_degc=float(row["ambient_temperature_C"]),
        time_s=time_s,
        current_a=current,
        mean_current_a=mean,
        voltage_v=column("voltage_V"),
        temperature_degc=column("temperature_C"),
        soc=column("soc"),
    )
