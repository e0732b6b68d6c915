"""Tables: the inverse is one, ranges are told, another chemistry is refused."""

import json
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.cells.chemistry import chemistry, from_table, supported
from evitals.cells.point import point_tables
from evitals.errors import UnsupportedChemistry

NAMES = ("NMC", "NCA")
SOC = st.floats(0.0, 1.0)
TEMPERATURE = st.floats(-40.0, 60.0)


def test_both_chemistries_ship_and_any_case_finds_them() -> None:
    assert supported() == ["NCA", "NMC"]
    assert chemistry("nmc") is not None
    assert chemistry("nmc").cell == chemistry("NMC").cell


@pytest.mark.parametrize("name", ["LFP", "LCO", "unknown", "../nmc", "nmc/../nmc"])
def test_another_chemistry_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedChemistry, match="NCA, NMC") as caught:
        chemistry(name)
    assert caught.value.reason == "unsupported_chemistry"
    assert caught.value.chemistry == name


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(soc=st.lists(SOC, min_size=1, max_size=20), temperature=TEMPERATURE)
def test_soc_from_ocv_inverts_ocv(name: str, soc: list[float], temperature: float) -> None:
    cell = chemistry(name)
    found, slope = cell.soc_from_ocv(cell.ocv(soc, temperature), temperature)
    np.testing.assert_allclose(found, soc, atol=1e-9)
    assert found.shape == slope.shape == (len(soc),)
    assert (slope > 0.0).all()


@pytest.mark.parametrize("name", NAMES)
def test_slope_is_that_of_the_ocv(name: str) -> None:
    cell = chemistry(name)
    soc = np.linspace(0.15, 0.95, 33)
    _, slope = cell.soc_from_ocv(cell.ocv(soc))
    finite = (cell.ocv(soc + 0.02) - cell.ocv(soc - 0.02)) / 0.04
    np.testing.assert_allclose(slope, finite, rtol=0.5)
    assert np.mean(slope) == pytest.approx(np.mean(finite), rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_voltages_outside_the_table_are_clipped_and_missing_stays_missing(name: str) -> None:
    cell = chemistry(name)
    soc, _ = cell.soc_from_ocv([0.0, 9.0, np.nan])
    assert soc[0] == 0.0
    assert soc[1] == 1.0
    assert np.isnan(soc[2])
    assert np.isnan(cell.ocv(0.5, np.nan))


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(soc=SOC, temperature=TEMPERATURE)
def test_resistances_are_positive_and_plain_floats_agree(
    name: str, soc: float, temperature: float
) -> None:
    cell, plain = chemistry(name), point_tables(name)
    arrays = [float(r) for r in cell.resistances_ohm_ah(soc, temperature)]
    assert min(arrays) >= 0.0
    assert arrays[0] > 0.01
    np.testing.assert_allclose(plain.resistances(soc, temperature), arrays, rtol=1e-12)
    assert plain.ocv_at(soc) == pytest.approx(float(cell.ocv(soc)), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_cold_cells_resist_more(name: str) -> None:
    cell = chemistry(name)
    totals = [sum(float(r) for r in cell.resistances_ohm_ah(0.5, t)) for t in (-20, -10, 0, 10, 25)]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] > 4.0 * totals[-1]


def test_range_reasons_name_what_is_left() -> None:
    cell = chemistry("NMC")
    assert cell.range_reasons(0.5, 25.0) == ()
    assert cell.range_reasons(0.5, 60.0) == ("temperature_outside_tables",)
    assert cell.range_reasons(0.2, -20.0) == ("soc_outside_tables",)
    assert cell.range_reasons(0.01, -40.0) == ("temperature_outside_tables", "soc_outside_tables")


@pytest.mark.parametrize("name", NAMES)
def test_tables_say_where_they_come_from(name: str) -> None:
    cell = chemistry(name)
    assert "doi:10.17632" in cell.source
    assert cell.licence == "understood to be CC BY 4.0"
    assert "evitals.cells.fit" in cell.command
    assert cell.known_gaps
    assert cell.validation["circuit_rmse_mv"]["all"] < cell.validation["static_rmse_mv"]["all"] / 2


def test_tables_are_read_only_and_a_falling_ocv_is_refused() -> None:
    with pytest.raises(ValueError, match="read-only"):
        chemistry("NMC").ocv_v[0] = 0.0
    text = (resources.files("evitals.cells") / "tables" / "nmc.json").read_text(encoding="utf-8")
    table = json.loads(text)
    table["ocv_v"][50] = table["ocv_v"][49]
    with pytest.raises(ValueError, match="does not rise"):
        from_table(table)
