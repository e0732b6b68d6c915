"""What a stretch of telemetry says in a few numbers, checked against sums done by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.features import FEATURES, INDEX, Stream, as_dict, extract
from evitals.features.extraction import SIGNALS_USED, extract_parts

from .made_up import PACK, drive, known


def test_sums_of_a_drive() -> None:
    columns = drive()
    f = as_dict(extract(columns, PACK))
    i, hours = columns["current_a"], 1.0 / 3600.0
    net = np.trapezoid(i, columns["time_s"]) / 3600
    assert f["net_charge_ah"] == pytest.approx(net, rel=1e-4)
    charge_in, charge_out = known(f["charge_in_ah"]), known(f["charge_out_ah"])
    assert charge_in - charge_out == pytest.approx(net, rel=1e-4)
    assert charge_in > 0.0
    net_wh = np.trapezoid(i * columns["voltage_v"], columns["time_s"]) / 3600
    energy = known(f["energy_in_wh"]) - known(f["energy_out_wh"])
    assert energy == pytest.approx(net_wh, rel=2e-3)
    assert f["duration_s"] == 1200.0
    assert f["step_s"] == 1.0
    assert f["distance_km"] == pytest.approx(12.0, rel=1e-4)
    assert f["current_mean_a"] == pytest.approx(net / (1200 * hours), rel=1e-4)
    assert f["current_min_a"] == pytest.approx(i.min(), rel=1e-3)
    assert f["last_current_a"] == pytest.approx(i[-1], rel=1e-3)
    moved = 0.5 * (charge_in + charge_out) / 60.0
    assert f["equivalent_full_cycles"] == pytest.approx(moved, rel=1e-3)


def test_line_of_soc_over_charge_gives_the_capacity() -> None:
    columns = drive(capacity=58.0)
    columns["soc"] = np.round(columns["soc"] / 0.01) * 0.01
    f = as_dict(extract(columns, PACK))
    assert f["soc_capacity_ah"] == pytest.approx(58.0, rel=0.02)
    assert f["soc_fit_rms"] == pytest.approx(0.01 / np.sqrt(12), rel=0.3)
    exact = as_dict(extract(drive(capacity=58.0), PACK))
    assert exact["soc_capacity_ah"] == pytest.approx(58.0, rel=1e-4)
    assert known(exact["soc_fit_rms"]) < 1e-4


def test_incremental_resistance_is_found() -> None:
    f = as_dict(extract(drive(), PACK))
    assert f["resistance_ohm"] == pytest.approx(0.08, rel=1e-3)
    assert f["resistance_temperature_degc"] == 21.0
    assert 0.6 < known(f["resistance_soc"]) < 0.8
    assert known(f["resistance_steps"]) > 500


def test_resistance_needs_steps_within_seconds() -> None:
    f = as_dict(extract(drive(dt=10.0), PACK))
    assert f["resistance_ohm"] is None
    assert f["resistance_steps"] == 0.0


def test_fast_sampling_gives_the_same_resistance_steps_as_one_second() -> None:
    slow = drive()
    fast = {name: np.repeat(values, 10) for name, values in slow.items()}
    fast["time_s"] = np.arange(12010, dtype=np.float64) * 0.1
    f = as_dict(extract(fast, PACK))
    assert f["resistance_ohm"] == pytest.approx(0.08, rel=1e-2)


def test_a_jump_of_soc_is_seen_and_a_steady_slope_is_not() -> None:
    columns = drive()
    assert known(as_dict(extract(columns, PACK))["soc_jump_max"]) < 1e-3
    columns["soc"] = columns["soc"] + np.where(columns["time_s"] > 600, 0.03, 0.0)
    f = as_dict(extract(columns, PACK))
    assert f["soc_jump_max"] == pytest.approx(0.03, rel=0.05)
    assert f["soc_window_error"] == pytest.approx(0.03, rel=0.1)


def test_current_that_soc_does_not_follow_shows_in_the_windows() -> None:
    columns = drive()
    columns["current_a"] = np.where(columns["time_s"] < 200, -130.0, columns["current_a"])
    assert known(as_dict(extract(columns, PACK))["soc_window_error"]) > 0.04


def test_rests_at_both_ends() -> None:
    t = np.concatenate(
        [np.arange(0, 3600, 60.0), 3600 + np.arange(600.0), 4200 + np.arange(61) * 60]
    )
    current = np.zeros(t.size)
    current[60:660] = -50.0
    voltage = np.where(t < 3600, 385.0, 375.0 - 2.0 * np.exp(-(t - 4200) / 300.0))
    columns = {"time_s": t, "current_a": current, "voltage_v": voltage}
    f = as_dict(extract(columns | {"temperature_degc": np.full(t.size, 15.0)}, PACK))
    assert f["rest_start_s"] == 3540.0
    assert f["rest_start_voltage_v"] == pytest.approx(385.0, rel=1e-4)
    assert f["rest_end_s"] == 3600.0
    assert f["rest_end_voltage_v"] == pytest.approx(375.0, abs=0.02)
    assert f["rest_end_temperature_degc"] == 15.0
    assert 0.0 <= known(f["rest_end_slope_v_per_h"]) < 0.1
    assert as_dict(extract(drive(), PACK))["rest_end_s"] == 0.0


def test_gap_counts_only_where_current_flowed() -> None:
    t = np.array([0.0, 60.0, 660.0, 720.0])
    moving = extract({"time_s": t, "current_a": np.full(4, -20.0)}, PACK)
    resting = extract({"time_s": t, "current_a": np.zeros(4)}, PACK)
    assert as_dict(moving)["gap_s"] == 600.0
    assert as_dict(resting)["gap_s"] == 0.0


def test_missing_stays_missing() -> None:
    columns = drive()
    bare = {"time_s": columns["time_s"], "current_a": columns["current_a"]}
    f = as_dict(extract(bare, PACK))
    absent = (
        "soc_first soc_capacity_ah energy_in_wh voltage_mean_v distance_km "
        "temperature_mean_degc temperature_0 last_voltage_v resistance_ohm"
    )
    for name in absent.split():
        assert f[name] is None, name
    assert f["missing_soc"] == 1.0
    assert f["missing_current"] == 0.0
    assert known(f["charge_out_ah"]) > 0.0


def test_columns_may_be_read_only_each_for_itself() -> None:
    columns = drive()
    frozen = {name: values.copy() for name, values in columns.items()}
    for name in ("time_s", "voltage_v"):
        frozen[name].setflags(write=False)
    np.testing.assert_array_equal(extract(frozen, PACK), extract(columns, PACK))
    assert columns["current_a"].flags.writeable


def test_missing_samples_are_bridged_not_zero_filled() -> None:
    columns = drive()
    whole = as_dict(extract(columns, PACK))
    holes = columns | {"current_a": columns["current_a"].copy()}
    holes["current_a"][100:110] = np.nan
    f = as_dict(extract(holes, PACK))
    assert f["missing_current"] == pytest.approx(10 / 1201, abs=0.004)
    assert f["net_charge_ah"] == pytest.approx(known(whole["net_charge_ah"]), rel=0.01)


def test_histograms_are_shares_of_time() -> None:
    t = np.arange(101.0)
    current = np.where(t < 50, -90.0, 0.0)
    degc = np.where(t < 25, -5.0, 20.0)
    f = as_dict(extract({"time_s": t, "current_a": current, "temperature_degc": degc}, PACK))
    assert f["c_rate_1"] == pytest.approx(0.49, abs=0.02)
    assert f["c_rate_4"] == pytest.approx(0.50, abs=0.02)
    assert f["temperature_1"] == pytest.approx(0.24, abs=0.02)
    assert f["temperature_3"] == pytest.approx(0.75, abs=0.02)


def test_time_outside_limits() -> None:
    columns = drive()
    columns["voltage_v"] = np.where(columns["time_s"] < 30, 420.0, columns["voltage_v"])
    columns["current_a"] = np.where(columns["time_s"] > 1190, -500.0, columns["current_a"])
    f = as_dict(extract(columns, PACK))
    assert f["outside_voltage_s"] == pytest.approx(29.0, abs=1.0)
    assert f["outside_current_s"] == pytest.approx(10.0, abs=1.0)
    assert f["outside_temperature_s"] == 0.0


def test_sampling_error_grows_with_the_step() -> None:
    sigma = [as_dict(extract(drive(dt=dt), PACK))["charge_sigma_ah"] for dt in (1.0, 10.0)]
    assert sigma[1] == pytest.approx(10.0 * known(sigma[0]), rel=0.01)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"time_s": np.array([])}, "time_s"),
        ({"time_s": np.array([0.0, 2.0, 1.0])}, "time_s"),
        ({"time_s": np.array([0.0, np.nan, 1.0])}, "time_s"),
        ({"current_a": np.array([0.0, 1.0])}, "current_a"),
        ({"voltage_v": np.array([1.0, np.inf, 1.0])}, "voltage_v"),
        ({"speed_mps": np.array([1.0, np.nan, -np.inf])}, "speed_mps"),
        ({"time_s": np.array([0.0, 1.0, np.inf])}, "time_s"),
        ({"soc": np.array(["a", "b", "c"])}, "soc"),
    ],
)
def test_unusable_columns_are_named(change: dict[str, NDArray[np.generic]], field: str) -> None:
    columns: dict[str, NDArray[np.generic]] = {"time_s": np.arange(3.0), "current_a": np.zeros(3)}
    columns |= change
    with pytest.raises(InputError) as caught:
        extract(columns, PACK)
    assert caught.value.field == field


def test_time_is_required() -> None:
    with pytest.raises(InputError, match="time_s"):
        extract({"current_a": np.zeros(3)}, PACK)


def sample_columns() -> st.SearchStrategy[tuple[NDArray[np.float64], ...]]:
    value = st.floats(-500.0, 500.0) | st.just(np.nan)
    return st.integers(1, 60).flatmap(
        lambda n: st.tuples(
            arrays(np.float64, n, elements=st.floats(0.0, 200.0)),
            *[arrays(np.float64, n, elements=value) for _ in SIGNALS_USED],
        )
    )


@settings(max_examples=60, deadline=None)
@given(sample_columns())
def test_sample_by_sample_equals_all_at_once(given_arrays: tuple[NDArray[np.float64], ...]) -> None:
    steps, *values = given_arrays
    columns = dict(zip(SIGNALS_USED, values, strict=True)) | {"time_s": np.cumsum(steps)}
    stream = Stream(PACK)
    for k in range(steps.size):
        stream.step({name: column[k] for name, column in columns.items()})
    once = extract(columns, PACK)
    assert np.array_equal(stream.vector(), once, equal_nan=True)
    assert once.dtype == np.float32
    assert once.shape == (len(FEATURES),)
    assert not np.isinf(once).any()


def test_parts_of_a_recording_are_those_stretches_alone() -> None:
    columns = drive(900)
    columns["time_s"] = columns["time_s"].copy()
    columns["time_s"][500:] -= 300.0
    bounds = np.array([[0, 200], [200, 201], [201, 500], [500, 900]])
    together = extract_parts(columns, bounds, PACK)
    for (first, stop), vector in zip(bounds, together, strict=True):
        alone = extract({name: c[first:stop] for name, c in columns.items()}, PACK)
        assert np.array_equal(vector, alone, equal_nan=True)
    with pytest.raises(InputError, match="runs backward at row 500"):
        extract_parts(columns, np.array([[0, 900]]), PACK)
    assert extract_parts(columns, np.empty((0, 2), dtype=np.int64), PACK).shape == (0, 72)


def test_stream_forgets_on_reset_and_refuses_bad_samples() -> None:
    stream = Stream(PACK)
    assert np.isnan(stream.vector()).all()
    stream.step({"time_s": 5.0, "current_a": -10.0})
    with pytest.raises(InputError, match="backward"):
        stream.step({"time_s": 4.0})
    with pytest.raises(InputError, match="time_s"):
        stream.step({"current_a": 1.0})
    with pytest.raises(InputError, match="infinite"):
        stream.step({"time_s": 6.0, "current_a": np.inf})
    stream.reset()
    stream.step({"time_s": 0.0, "current_a": 1.0})
    assert stream.vector()[INDEX["last_current_a"]] == 1.0
