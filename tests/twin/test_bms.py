"""Sensors and count: noise and resolution as stated, errors of the vehicle, holes at their rate."""

import math
from dataclasses import replace

import numpy as np
import pytest

from evitals.battery import Sensors
from evitals.twin import bms, circuit
from evitals.twin.bms import COLUMNS, HIDDEN, NORMAL, Bms, SensorErrors
from evitals.twin.faults import NONE, Effect

EXACT = SensorErrors(0.0, 0.0, 0.0, 0.0)
FINE = Sensors(
    current_resolution_a=0.0,
    voltage_resolution_v=0.0,
    soc_resolution=0.0,
    temperature_resolution_degc=0.0,
)


def trace(n: int, current_a: float = -30.0, soc: float = 0.8) -> np.ndarray:
    """A made-up true trace: constant current, voltage and temperature."""
    true = np.empty((circuit.OUTPUTS, n))
    true[circuit.CURRENT_A], true[circuit.VOLTAGE_V] = current_a, 360.04
    true[circuit.SOC] = soc + current_a * np.arange(n) / 3600.0 / 100.0
    true[circuit.TEMPERATURE_DEGC] = 21.3
    true[circuit.LOWEST_V], true[circuit.HIGHEST_V] = 3.74, 3.76
    return true


def reported(who: Bms, true: np.ndarray, *, awake: bool = True) -> dict[str, np.ndarray]:
    """The columns and hidden columns of one recording at 1 Hz."""
    n = true.shape[1]
    step, out = np.ones(n), np.empty((bms.ROWS, n))
    step[0] = 0.0
    who.begin()
    kept = bms.report(
        step, true, np.full(n, 12.344), 8.2, awake, who.p, who.s, who.random, NORMAL, out
    )  # fmt: skip
    names = (*COLUMNS, *(f"true_{name}" for name in HIDDEN))
    return dict(zip(names, out[:, :kept], strict=True))


def sure(errors: SensorErrors = EXACT, sensors: Sensors = FINE, soc: float = 0.8) -> Bms:
    """A BMS of a 100 Ah pack that believes 100 Ah and loses nothing on the way."""
    who = Bms(errors, sensors, soc, 100.0, seed=3)
    who.s[bms.S_TO_LOSS] = who.s[bms.S_TO_GAP] = math.inf
    return who


def test_noise_has_its_size_no_bias_and_no_memory() -> None:
    seen = reported(sure(), trace(40_000))
    for name, value, deviation in (
        ("current_a", -30.0, bms.CURRENT_NOISE_A),
        ("voltage_v", 360.04, bms.VOLTAGE_NOISE_V),
        ("temperature_degc", 21.3, bms.TEMPERATURE_NOISE_K),
    ):
        off = seen[name] - value
        assert off.std() == pytest.approx(deviation, rel=0.02)
        assert abs(off.mean()) < 0.02 * deviation
        assert abs(np.corrcoef(off[1:], off[:-1])[0, 1]) < 0.02
        assert np.abs(off).max() < 4.0 * deviation
    amps, volts = seen["current_a"], seen["voltage_v"]
    assert abs(np.corrcoef(amps, volts)[0, 1]) < 0.02


def test_what_is_shown_is_rounded_to_the_sensors_resolution() -> None:
    seen = reported(sure(sensors=Sensors()), trace(500))
    for name, step in (
        ("current_a", 0.1), ("voltage_v", 0.1), ("soc", 0.005), ("temperature_degc", 1.0),
        ("speed_mps", 0.01), ("ambient_degc", 0.5), ("cell_voltage_min_v", 0.001),
    ):  # fmt: skip
        np.testing.assert_allclose(seen[name] / step, np.round(seen[name] / step), atol=1e-6)
    assert seen["current_a"][7] == round(seen["current_a"][7], 1)


def test_the_count_is_the_seen_current_over_the_believed_capacity() -> None:
    errors = SensorErrors(0.4, 0.01, 0.0, 0.05)
    who = sure(errors)
    who.calibrate(100.0)
    assert who.believed_ah == pytest.approx(105.0)
    seen = reported(who, trace(3601))
    moved = (-30.0 * 1.01 + 0.4) / 105.0
    assert seen["soc"][-1] - seen["soc"][0] == pytest.approx(moved, abs=1e-9)
    assert who.soc == pytest.approx(0.8 + moved, abs=1e-9)
    assert seen["current_a"].mean() == pytest.approx(-30.0 * 1.01 + 0.4, abs=0.01)


def test_parked_the_count_stands_still_and_a_rest_corrects_it() -> None:
    who = sure(SensorErrors(0.4, 0.0, 0.0, 0.0))
    assert set(reported(who, trace(600, 0.0), awake=False)["soc"]) == {0.8}
    who.key_on(600.0, 0.7, 0.5)
    assert who.soc == 0.8
    who.key_on(3600.0, 0.7, 0.5, bms.TELLING_SLOPE_V / 2.0)
    assert who.soc == 0.8
    who.key_on(3600.0, 0.7, 0.5)
    assert who.soc == pytest.approx(0.7)
    offs = []
    for chance in (0.0, 1.0):
        who.key_on(3600.0, 0.7, chance)
        offs.append(who.soc - 0.7)
    assert offs == pytest.approx([-bms.REST_SOC_ERROR, bms.REST_SOC_ERROR])


def test_rows_and_values_are_lost_at_the_stated_rate_and_time_is_kept() -> None:
    who = Bms(EXACT, Sensors(), 0.8, 100.0, seed=8)
    n, rows, gaps = 100_000, 0, 0
    for _ in range(20):
        seen = reported(who, trace(n, 0.0))
        rows += n - seen["time_s"].size
        gaps += sum(int(np.isnan(seen[name]).sum()) for name in COLUMNS)
        assert not np.isnan(seen["time_s"]).any()
        assert np.diff(seen["time_s"]).min() == 1.0
        assert np.isfinite([seen[f"true_{name}"] for name in HIDDEN]).all()
    # Bursts are whole rows, half a row longer than their mean.
    assert rows == pytest.approx(20 * n * (bms.LOSS + 0.5) / bms.TO_LOSS, rel=0.4)
    assert gaps == pytest.approx(20 * n * (bms.GAP + 0.5) / bms.TO_GAP, rel=0.4)


def test_hidden_values_are_those_of_the_rows_that_arrived() -> None:
    who = Bms(EXACT, FINE, 0.8, 100.0, seed=8)
    who.suffer(replace(NONE, lost=0.5))
    true = trace(5000)
    true[circuit.CURRENT_A] = np.arange(5000.0)
    seen = reported(who, true)
    assert 1500 < seen["time_s"].size < 3500
    np.testing.assert_array_equal(seen["true_current_a"], seen["time_s"])
    np.testing.assert_allclose(seen["current_a"], seen["time_s"], atol=0.5)


def test_the_same_seed_reports_the_same_and_another_another() -> None:
    one, same, other = (Bms(EXACT, FINE, 0.8, 100.0, seed) for seed in (5, 5, 6))
    first = reported(one, trace(300))
    np.testing.assert_array_equal(first["voltage_v"], reported(same, trace(300))["voltage_v"])
    assert not np.array_equal(first["voltage_v"], reported(other, trace(300))["voltage_v"])
    assert not np.array_equal(first["voltage_v"], reported(one, trace(300))["voltage_v"])


def test_faults_come_and_go_with_their_effect() -> None:
    who = sure()
    who.suffer(Effect(offset_a=3.0, gain=0.1, stuck_degc=40.0))
    seen = reported(who, trace(2000))
    assert seen["current_a"].mean() == pytest.approx(-30.0 * 1.1 + 3.0, abs=0.02)
    assert set(seen["temperature_degc"]) == {40.0}
    who.suffer(NONE)
    seen = reported(who, trace(2000))
    assert seen["current_a"].mean() == pytest.approx(-30.0, abs=0.02)
    assert seen["temperature_degc"].std() > 0.1
