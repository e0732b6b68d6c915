"""A life in columns: charge is kept, days join, wear is counted, no vehicle strands."""

from dataclasses import replace

import numpy as np
import pytest

from evitals.twin.faults import NONE
from evitals.twin.fleet import DAY_S, START_S, Fleet
from evitals.twin.recorder import RESERVE_SOC, Recorder


@pytest.fixture
def recorder() -> Recorder:
    fleet = Fleet(1, 30, 4, model_mix={"renault-zoe-ze50": 1.0}, places=("paris",))
    who = fleet.profile(0)
    return Recorder(fleet.vehicle(0), who, float(START_S), np.random.default_rng(2))


def test_a_drive_costs_charge_and_is_reported_second_by_second(recorder: Recorder) -> None:
    before, route = recorder.soc, recorder.profile.routes[0]
    assert recorder.drive(route, 1200.0)
    trip = recorder.eject()
    assert trip is not None
    assert 1100.0 < trip.duration_s < 1500.0
    assert recorder.now_s == pytest.approx(START_S + trip.duration_s)
    moved_ah = np.trapezoid(trip.hidden["current_a"], trip.columns["time_s"]) / 3600.0
    assert moved_ah / recorder.capacity_ah == pytest.approx(recorder.soc - before, abs=1e-4)
    assert trip.columns["speed_mps"][-1] == 0.0
    assert recorder.eject() is None


def test_nobody_drives_below_the_reserve(recorder: Recorder) -> None:
    route = recorder.profile.routes[0]
    refused = 0
    for _ in range(200):
        cabin, soc = recorder.cabin_state.copy(), recorder.soc
        if recorder.drive(route, 2400.0):
            refused = 0
            assert recorder.eject() is not None
            continue
        refused += 1
        np.testing.assert_array_equal(recorder.cabin_state, cabin)
        assert (recorder.soc, recorder.eject()) == (soc, None)
        if refused == 5:
            break
    least = recorder.limits.soc_min + RESERVE_SOC
    assert refused == 5
    assert least - 0.02 < recorder.soc < least + 0.05


def test_a_weak_cell_ends_the_drive_earlier(recorder: Recorder) -> None:
    healthy = recorder.floor
    recorder.set_age(0.9, 1.1, effect=replace(NONE, weak_loss=0.2))
    assert recorder.floor > healthy + 0.1
    assert recorder.usable_ah < 0.81 * recorder.capacity_ah


def test_wear_counts_all_time_and_all_charge(recorder: Recorder) -> None:
    recorder.worn()
    recorder.drive(recorder.profile.routes[0], 1800.0)
    trip = recorder.eject()
    assert trip is not None
    recorder.park_until(START_S + DAY_S)
    worn = recorder.worn()
    assert worn.seconds == pytest.approx(DAY_S, abs=2.0)
    current, step = trip.hidden["current_a"], np.diff(trip.columns["time_s"])
    charge_ah = np.sum(np.abs(0.5 * (current[1:] + current[:-1])) * step) / 3600.0
    reference_ah = recorder.who.battery.reference_capacity_ah
    assert worn.efc == pytest.approx(charge_ah / 2.0 / reference_ah, rel=5e-3)
    assert worn.dod == pytest.approx(np.ptp(trip.hidden["soc"]), abs=1e-3)
    assert 0.05 < worn.c_rate < 1.0
    assert -5.0 < worn.temperature_degc < 20.0
    assert recorder.worn().efc == 0.0


def test_a_rest_is_recorded_by_the_minute_and_a_parked_stretch_is_not(recorder: Recorder) -> None:
    recorder.rest(3600.0)
    trip = recorder.eject()
    assert trip is not None
    assert np.median(np.diff(trip.columns["time_s"])) == 60.0
    assert not trip.hidden["current_a"].any()
    then = recorder.now_s
    recorder.park_until(then + 7200.0)
    assert recorder.now_s == then + 7200.0
    assert recorder.eject() is None
    recorder.park_until(then)
    assert recorder.now_s == then + 7200.0


def test_a_lagging_cell_is_brought_level_day_by_day(recorder: Recorder) -> None:
    recorder.set_age(0.9, 1.1, effect=replace(NONE, leak_a=0.05))
    for day in range(10):
        recorder.park_until(START_S + (day + 1) * DAY_S)
    lag, soc = float(recorder.state[-1]), recorder.soc
    assert lag == pytest.approx(-12.0 / recorder.usable_ah, rel=0.01)
    recorder.level()
    assert float(recorder.state[-1]) > lag
    assert recorder.soc < soc
