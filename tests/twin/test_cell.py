"""The twin's cells: published, smooth, monotone, and not the estimators'."""

from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from evitals.errors import InputError
from evitals.twin import cell, circuit

NAMES = cell.known()
MADE = [name for name in NAMES if cell.cell(name).command]


@pytest.mark.parametrize("name", NAMES)
def test_ocv_rises_between_its_two_voltages(name: str) -> None:
    table, found = cell.ocv_table(name), cell.cell(name)
    assert np.all(np.diff(table) > 0.0)
    if found.negative is not None:
        ends = (found.voltage_empty_v, found.voltage_full_v)
        assert (table[0], table[-1]) == pytest.approx(ends, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_says_where_it_is_from_and_what_it_lacks(name: str) -> None:
    found = cell.cell(name)
    assert len(found.source) > 40
    assert found.gaps
    low, high = found.fitted.temperature_degc
    assert low <= 25.0 <= high
    assert found.fitted.soc[0] < found.fitted.soc[1]


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_resistances_everywhere(name: str) -> None:
    found = cell.tables(name)
    assert found.shape == (circuit.ROWS, circuit.COLUMNS)
    assert not found.flags.writeable
    assert np.isfinite(found).all()
    assert np.all(found[cell.GRID :] > 0.0)


@pytest.mark.parametrize("name", MADE)
def test_ten_seconds_at_one_c_are_smooth_over_soc_and_fall_with_warmth(name: str) -> None:
    block = cell.tables(name)[cell.GRID :].reshape(circuit.SOC_POINTS, circuit.DEGC_POINTS, -1)
    degc = circuit.DEGC_LOWEST + circuit.DEGC_STEP * np.arange(circuit.DEGC_POINTS)
    thermal = circuit.THERMAL_V_PER_K * (degc + circuit.ZERO_K)
    risen = 1.0 - np.exp(-10.0 / np.array(cell.time_constants_s(name)))
    over = block[..., 0] + thermal * np.arcsinh(block[..., 1]) + block[..., 2:] @ risen
    over = over[5:][:, (degc >= -20.0) & (degc <= 55.0)]
    assert np.diff(over, axis=1).max() < (0.010 if name == "lfp-prada2013" else 0.001)
    assert np.abs(np.diff(over, axis=0)).max() < 0.025
    assert np.abs(np.diff(over, 2, axis=0)).max() < 0.005


def test_the_published_stoichiometries_and_entropy_are_there() -> None:
    found = cell.cell("nmc811-lgm50")
    assert found.negative is not None
    assert 0.9 < found.negative.full < 1.0
    assert found.voltage_full_v == 4.2
    assert -5e-4 < min(found.ocv_per_k) < 0.0 < max(found.ocv_per_k) < 5e-4


@pytest.mark.parametrize(
    ("name", "near"), [("nmc-lgm50", "nmc811-lgm50"), ("nca", "nca-kim2011"), ("lfp", "lfp-")]
)
def test_an_unknown_cell_names_the_nearest(name: str, near: str) -> None:
    with pytest.raises(InputError, match=near):
        cell.ocv_table(name)


def test_a_cell_may_be_knots_and_arrhenius_with_another_cells_electrodes() -> None:
    text = b"""
chemistry = "NMC"
source = "a measured curve"
gaps = ["only an example"]
voltage_empty_v = 3.0
voltage_full_v = 4.2
like = "nmc811-lgm50"

[fitted]
soc = [0.3, 0.9]
temperature_degc = [15.0, 35.0]
c_rate = [-3.0, 1.0]

[ocv]
soc = [0.0, 0.5, 0.75]
volts = [3.0, 3.7, 3.95]

[arrhenius]
r0_ohm_ah = 0.03
exchange_c_rate = 1.6
r1_ohm_ah = 0.012
r2_ohm_ah = 0.022
activation_k = [1800.0, 4200.0, 3000.0]
"""
    found = cell.parse_cell(text, "own.toml")
    assert found.ocv is not None
    ends = cell._through(found.ocv, np.array([0.25, 1.0]))
    np.testing.assert_allclose(ends, [3.35, 4.2])
    assert found.arrhenius is not None
    at = np.array([0.0, 25.0])
    r0, exchange, _, _ = cell._everywhere(found.arrhenius, np.array([0.0, 1.0]), at)
    assert r0[0, 1] == pytest.approx(0.03)
    assert r0[1, 0] > 0.03
    assert exchange[0, 0] < exchange[0, 1] == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("text", "name", "field"),
    [
        (b"{}", "a.json", "chemistry"),
        (b'{"chemistry": 3}', "a.json", "chemistry"),
        (b"chemistry = 'x'\nspice = 1", "a.toml", "spice"),
        (b"\xff\xfe", "a.toml", "cell"),
    ],
)
def test_a_bad_cell_file_is_refused_by_field(text: bytes, name: str, field: str) -> None:
    with pytest.raises(InputError, match=field):
        cell.parse_cell(text, name)


def test_a_cell_with_negative_resistance_is_refused() -> None:
    data = msgspec.json.decode(
        msgspec.json.encode(
            cell.Arrhenius(
                r0_ohm_ah=0.03,
                exchange_c_rate=1.0,
                r1_ohm_ah=0.01,
                r2_ohm_ah=0.01,
                activation_k=(1.0, 1.0, 1.0),
            )
        )
    ) | {"r0_ohm_ah": -1.0}
    with pytest.raises(msgspec.ValidationError, match="r0_ohm_ah"):
        msgspec.convert(data, cell.Arrhenius)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rms_mv"), [("nmc811-lgm50", (20.0, 80.0)), ("nmc811-rebalanced", (4.0, 10.0))]
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
