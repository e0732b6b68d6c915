"""The twin's cells against PyBaMM's SPMe, frozen (oracles/spme.py); isothermal, UDDS current."""

import sys
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from evitals.errors import InputError, MissingExtra
from evitals.twin import cell, circuit
from evitals.twin.oracles import spme

FROZEN = Path(__file__).parent / "frozen"
RMS_MV = {
    "nmc811-lgm50": {"-10": 15.0, "0": 10.0, "25": 10.0, "40": 10.0},
    "nca-kim2011": {"-10": 5.0, "0": 5.0, "25": 5.0, "40": 5.0},
    "lfp-prada2013": {"-10": 15.0, "0": 10.0, "25": 10.0, "40": 10.0},
}
"""The bars by cell and degC; the page says what is reached."""
LARGEST_MV = {"nmc811-lgm50": 25.0, "nca-kim2011": 25.0, "lfp-prada2013": 35.0}


@cache
def frozen(name: str) -> spme.Frozen:
    return msgspec.json.decode((FROZEN / f"spme_{name}.json").read_bytes(), type=spme.Frozen)


@pytest.mark.parametrize("name", spme.RECIPES)
def test_the_voltage_follows_the_single_particle_model_on_udds(name: str) -> None:
    found = spme.errors_mv(name, frozen(name))
    assert len(found) == len(spme.DEGCS) * len(spme.SOCS)
    for key, (rms, largest) in found.items():
        assert rms <= RMS_MV[name][key.split()[0]], key
        assert largest <= LARGEST_MV[name], key


@pytest.mark.parametrize("name", spme.RECIPES)
def test_no_single_soc_is_far_off(name: str) -> None:
    for key, off in spme.pulse_errors_mv(name, frozen(name)).items():
        assert np.abs(off).max() <= LARGEST_MV[name], key


@pytest.mark.parametrize("name", spme.RECIPES)
def test_the_open_circuit_voltage_is_pybamms_at_every_temperature(name: str) -> None:
    table = cell.tables(name)[: cell.GRID]
    at = np.linspace(0.0, 1.0, cell.GRID)
    for degc, volts in frozen(name).ocv_v.items():
        aged = table[:, 0] + (float(degc) - 25.0) * table[:, 1]
        ours = np.interp(spme.OCV_SOCS, at, aged)
        np.testing.assert_allclose(ours, volts, rtol=0.0, atol=1e-3)


def test_the_test_current_is_not_in_the_fit() -> None:
    udds = np.array(frozen("nmc811-lgm50").c_rate)
    rng = np.random.default_rng([7, 125, 3])
    drawn = spme.random_c_rate(rng, 2.5)
    n = min(udds.size, drawn.size)
    assert drawn.size == spme.LASTS_S
    assert abs(np.corrcoef(udds[:n], drawn[:n])[0, 1]) < 0.2


def test_the_fit_finds_the_elements_it_is_shown() -> None:
    """Runs made from known elements come back as these, within their smoothness."""
    knots, thermal = spme.KNOTS, circuit.THERMAL_V_PER_K * 298.15
    soc = np.linspace(0.0, 1.0, knots)
    known = np.stack(
        [0.05 + 0.03 * (1 - soc) ** 2, np.full(knots, 0.4), 0.03 + 0.01 * soc, 0.05 + 0 * soc]
    )
    runs = []
    for start in np.linspace(0.1, 1.0, 10):
        c_rate = spme.random_c_rate(np.random.default_rng(int(100 * start)), 2.5)
        at = np.clip(spme.counted(float(start), c_rate), 0.0, 1.0)
        taus = np.array(spme.TAUS_S)
        over = spme._predict(c_rate, at, thermal, known, taus, np.empty((0, 0)))
        runs.append(spme.Run(25.0, c_rate, at, over))
    found = spme.fit(runs, 25.0)
    inside = slice(5, 46)
    ten_s = found[0] + thermal * np.arcsinh(found[1]) + 0.28 * found[2]
    wanted = known[0] + thermal * np.arcsinh(known[1]) + 0.28 * known[2]
    np.testing.assert_allclose(ten_s[inside], wanted[inside], rtol=0.02)
    np.testing.assert_allclose(found[2:, inside], known[2:, inside], rtol=0.1)


def test_an_unknown_recipe_names_those_there_are() -> None:
    with pytest.raises(InputError, match="nca-kim2011"):
        spme.make("nca")


def test_without_pybamm_the_pip_line_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pybamm", None)
    with pytest.raises(MissingExtra, match=r"pip install 'evitals\[physics\]'"):
        spme.Simulator(spme.RECIPES["nca-kim2011"])


@pytest.mark.oracle
@pytest.mark.parametrize("name", spme.RECIPES)
def test_pybamm_still_says_so(name: str) -> None:
    now, then = spme.freeze(name), frozen(name)
    assert now.capacity_ah == pytest.approx(then.capacity_ah, rel=1e-4)
    for part in ("ocv_v", "voltage_v", "pulse_v"):
        for key, volts in getattr(then, part).items():
            np.testing.assert_allclose(getattr(now, part)[key], volts, atol=1e-3)


@pytest.mark.oracle
@pytest.mark.parametrize("name", spme.RECIPES)
def test_the_shipped_cell_is_what_its_command_makes(name: str) -> None:
    """OCV and electrodes whole; of the seven fitted temperatures one, ten seconds a cell."""
    simulator, shipped = spme.Simulator(spme.RECIPES[name]), cell.cell(name)
    assert shipped.command == f"python -m evitals.twin.oracles.spme make {name} OUT.json"
    assert shipped.negative
    assert shipped.positive
    for found, which, empty, full in (
        (shipped.negative, "negative", simulator.x0, simulator.x1),
        (shipped.positive, "positive", simulator.y0, simulator.y1),
    ):
        assert (found.empty, found.full) == pytest.approx((empty, full), abs=1e-6)
        grid = np.linspace(found.low, found.high, len(found.potential_v))
        np.testing.assert_allclose(simulator.published_v(which, grid), found.potential_v, atol=1e-5)
    e = shipped.elements
    assert e
    column = e.temperature_degc.index(25.0)
    r0, inverse, r1, r2 = spme.fit(spme.runs(simulator, 25.0), 25.0)
    tables = (e.r0_ohm_ah, e.exchange_c_rate, e.r1_ohm_ah, e.r2_ohm_ah)
    for made, table in zip((r0, 0.5 / inverse, r1, r2), tables, strict=True):
        np.testing.assert_allclose([row[column] for row in table], made, rtol=0.01)
