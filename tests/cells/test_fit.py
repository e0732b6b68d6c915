"""The fit: it finds the circuit that made the data, and leaves judges alone."""

from pathlib import Path

import numpy as np
import pytest

from evitals.cells import fit as fitting
from evitals.cells.chemistry import chemistry, from_table
from evitals.cells.circuit import Circuit
from evitals.cells.fit import fit, main, ocv_branches, voltage_rmse_mv
from evitals.cells.measurements import CAMPAIGNS, CellTest, drive_tests, other_test

NMC = CAMPAIGNS["NMC"]


def made_up(ambient: float, seed: int, hours: float = 1.2) -> CellTest:
    """A drive of the NMC tables' own circuit: random currents from full to about 15 % SoC."""
    rng = np.random.default_rng(seed)
    time = np.arange(0.0, 3600.0 * hours)
    level = np.repeat(rng.normal(0.0, 4.0, len(time) // 8 + 1), 8)[: len(time)]
    # Pauses: under an unbroken mean current the slow branch cannot be told from the OCV.
    driving = (time % 1500.0) < 900.0
    current = driving * (level - level[driving].mean() - 0.85 * NMC.capacity_ah / hours / 0.6)
    soc = 1.0 + np.cumsum(np.r_[0.0, current[1:]]) / 3600.0 / NMC.capacity_ah
    heat = ambient + 3.0 * np.sin(time / 900.0)
    circuit = Circuit(chemistry("NMC"), 1, 1, NMC.capacity_ah)
    voltage = circuit.run(time, current, soc, heat) + rng.normal(0.0, 0.001, len(time))
    return CellTest(
        f"made_up_{seed}", "made_up", ambient, time, current, current, voltage, heat, soc
    )


def test_the_fit_finds_the_circuit_that_made_the_data() -> None:
    tests = [made_up(10.0, 1), made_up(25.0, 2)]
    start = np.asarray(chemistry("NMC").ocv(fitting.SOC_GRID))
    grid = [(4.0, 60.0), chemistry("NMC").tau_s]
    found = fit(tests, start, NMC, grid=grid)
    assert found.tau_s == chemistry("NMC").tau_s
    inside = (fitting.SOC_GRID > 0.3) & (fitting.SOC_GRID < 0.95)
    error = found.ocv_v - chemistry("NMC").ocv(fitting.SOC_GRID)
    assert float(np.max(np.abs(error[inside]))) < 0.01
    truth = chemistry("NMC").resistances_ohm_ah(0.6, 25.0)
    at = int(np.flatnonzero(fitting.SOC_KNOTS == 0.6)[0])
    np.testing.assert_allclose(found.resistance_ohm_ah[0, 1, at], float(truth[0]), rtol=0.03)
    np.testing.assert_allclose(found.resistance_ohm_ah[1, 1, at], float(truth[1]), rtol=0.15)
    assert (found.resistance_ohm_ah > 0.0).all()
    assert (np.diff(found.ocv_v) > 0.0).all()


def test_a_static_fit_cannot_follow_what_a_circuit_does() -> None:
    tests = [made_up(10.0, 1), made_up(25.0, 2)]
    start = np.asarray(chemistry("NMC").ocv(fitting.SOC_GRID))
    static = fit(tests, start, NMC, grid=((),), stay_ocv=0.0)
    assert static.resistance_ohm_ah.shape[0] == 1
    table = from_table(fitting._table(NMC, tests, static))
    assert (
        voltage_rmse_mv(table, tests)["all"] > 5 * voltage_rmse_mv(chemistry("NMC"), tests)["all"]
    )


def test_branches_lie_apart_by_the_hysteresis_whatever_the_counter_drifts() -> None:
    hours = np.linspace(0.0, 41.0, 2500)
    current = np.where(hours < 20.0, -0.15, np.where(hours < 21.0, 0.0, 0.15))
    soc = np.clip(1.0 + np.cumsum(current * np.gradient(hours)) / 3.0, 0.0, 1.0)
    voltage = 3.0 + soc + 0.03 * np.sign(current)
    test = CellTest(
        "c20", "c20", 25.0, hours * 3600, current, current + 0.005, voltage, 25.0 + 0 * hours, soc
    )
    down, up = ocv_branches(test)
    np.testing.assert_allclose((up - down)[5:95], 0.06, atol=0.003)
    np.testing.assert_allclose((up + down)[5:95] / 2.0, 3.0 + fitting.SOC_GRID[5:95], atol=0.005)


def test_what_fits_and_what_judges_are_apart() -> None:
    for campaign in CAMPAIGNS.values():
        assert not campaign.fit_profiles & campaign.validation_profiles
    shipped = chemistry("NMC").validation["tests"]
    assert shipped
    assert not any("Mixed" in name for name in shipped)


@pytest.mark.data
def test_traps_of_the_measurements_stay_out(public_data: Path) -> None:
    names = [test.test_id for test in drive_tests(NMC, public_data, NMC.fit_profiles)]
    assert len(names) == 40
    assert not any(name.startswith("40C_562") for name in names)
    assert "-10C_602_Mixed4" not in names
    other = CAMPAIGNS["NCA"]
    panasonic = [test.test_id for test in drive_tests(other, public_data, other.fit_profiles)]
    assert len(panasonic) == 25
    assert not any("trise" in name for name in panasonic)


@pytest.mark.data
def test_decimated_current_is_replaced_by_the_counters_mean(public_data: Path) -> None:
    test = other_test(NMC, public_data, "25C_549_HPPC")
    dt = np.diff(test.time_s)
    counted = float(np.sum(test.mean_current_a[1:] * dt)) / 3600.0 / NMC.capacity_ah
    assert counted == pytest.approx(float(test.soc[-1] - test.soc[0]), abs=1e-3)


@pytest.mark.data
def test_the_shipped_tables_follow_drives_they_never_saw(public_data: Path) -> None:
    for name, all_mv, warm_mv in (("NMC", 24.0, 8.0), ("NCA", 38.0, 22.0)):
        campaign = CAMPAIGNS[name]
        judges = list(drive_tests(campaign, public_data, campaign.validation_profiles))
        found = voltage_rmse_mv(chemistry(name), judges)
        assert found == chemistry(name).validation["circuit_rmse_mv"]
        assert found["all"] < all_mv
        assert found["25"] < warm_mv


def test_the_command_names_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="parquet"):
        main(["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--chemistry", "NCA"])
