"""The fleet: repeatable, in order, inside its dates, and honest about its truth."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.signals import SIGNALS
from evitals.twin import bms
from evitals.twin import fleet as fleet_module
from evitals.twin.fleet import DAY_S, START_S, Fleet
from evitals.twin.recorder import TwinTrip

COLUMNS = {
    "time_s",
    "current_a",
    "voltage_v",
    "temperature_degc",
    "soc",
    "speed_mps",
    "ambient_degc",
    "cell_voltage_min_v",
    "cell_voltage_max_v",
}


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return Fleet(vehicles=6, days=12, seed=5)


def stretches(trip: TwinTrip) -> list[slice]:
    """Where the vehicle drives or charges: true current flows."""
    busy = np.abs(trip.hidden["current_a"]) > 0.0
    edges = np.flatnonzero(np.diff(busy.astype(int), prepend=0, append=0))
    return [slice(a, b) for a, b in edges.reshape(-1, 2).tolist() if b - a > 60]


def test_the_same_seed_gives_the_same_trips_in_whatever_order(fleet: Fleet) -> None:
    again = Fleet(vehicles=2, days=12, seed=5)
    for i in (1, 0):
        for one, other in zip(fleet.trips(i), again.trips(i), strict=True):
            assert (one.vehicle_id, one.start_s) == (other.vehicle_id, other.start_s)
            for name in COLUMNS:
                np.testing.assert_array_equal(one.columns[name], other.columns[name])
        assert fleet.truth(i) == again.truth(i)
        assert fleet.vehicle(i) == again.vehicle(i)


def test_another_seed_is_another_fleet(fleet: Fleet) -> None:
    assert Fleet(vehicles=1, days=1, seed=6).profile(0) != fleet.profile(0)


def test_trips_are_signals_in_order_and_inside_the_dates(fleet: Fleet) -> None:
    for i in range(fleet.vehicles):
        end = float(START_S)
        for trip in fleet.trips(i):
            assert set(trip.columns) == COLUMNS
            assert trip.start_s >= end
            end = trip.start_s + trip.duration_s
            time = trip.columns["time_s"]
            assert time[0] == 0.0
            assert np.diff(time).min() > 0.0
            assert np.median(np.diff(time)) <= 60.0
            for name, values in trip.columns.items():
                assert values.shape == time.shape
                known = values[np.isfinite(values)]
                assert known.size > 0.9 * values.size
                assert SIGNALS[name].low <= known.min() <= known.max() <= SIGNALS[name].high
        assert end <= START_S + 12 * DAY_S


@pytest.mark.parametrize("i", range(6))
def test_charge_over_true_soc_change_is_the_stated_capacity(fleet: Fleet, i: int) -> None:
    truth = {day.day: day.capacity_ah for day in fleet.truth(i)}
    checked = 0
    for trip in fleet.trips(i):
        for part in stretches(trip):
            time, current = trip.columns["time_s"][part], trip.hidden["current_a"][part]
            moved = float(np.ptp(trip.hidden["soc"][part]))
            if moved > 0.2 and (np.all(current > 0) or np.all(current < 0)):
                charge_ah = abs(float(np.trapezoid(current, time))) / 3600.0
                expected = truth[trip.start_s // DAY_S]
                assert charge_ah / moved == pytest.approx(expected, rel=2e-3)
                checked += 1
    assert checked > 0


def test_a_recording_with_rests_begins_and_ends_with_an_hour_of_rest(fleet: Fleet) -> None:
    for trip in fleet.trips(2):
        time, current = trip.columns["time_s"], trip.hidden["current_a"]
        assert not current[time < 3600.0].any()
        assert not current[time > time[-1] - 3600.0].any()
        assert np.abs(current).max() > 1.0


def test_without_rests_nothing_but_drives_and_charges_is_recorded() -> None:
    for trip in Fleet(vehicles=2, days=10, seed=5, rests=False).trips(1):
        assert np.mean(trip.hidden["current_a"] == 0.0) < 0.01
        assert trip.columns["speed_mps"].any() == (trip.hidden["current_a"][5] < 0.0)


def test_the_bms_counts_with_its_own_capacity_and_is_corrected_at_rests(fleet: Fleet) -> None:
    seen, after = 0, []
    for i in range(fleet.vehicles):
        who, reference_ah = fleet.profile(i), fleet.vehicle(i).battery.reference_capacity_ah
        believed_ah = reference_ah * who.believed_soh * (1.0 + who.errors.capacity_error)
        for trip in fleet.trips(i):
            time, soc = trip.columns["time_s"], trip.columns["soc"]
            for part in stretches(trip):
                after.append(abs(soc[part][0] - trip.hidden["soc"][part][0]))
                moved = trip.hidden["soc"][part][-1] - trip.hidden["soc"][part][0]
                if abs(moved) > 0.3:
                    charge_as = np.trapezoid(trip.hidden["current_a"][part], time[part])
                    seen_as = (1.0 + who.errors.current_gain) * charge_as
                    seen_as += who.errors.current_offset_a * np.ptp(time[part])
                    counted = seen_as / 3600.0 / believed_ah
                    assert soc[part][-1] - soc[part][0] == pytest.approx(counted, abs=0.012)
                    seen += 1
    assert np.nanmax(after) <= bms.REST_SOC_ERROR + 0.005
    assert seen > 0


def test_the_count_of_a_flat_chemistry_wanders_where_its_voltage_tells_nothing() -> None:
    off = {}
    for model in ("tesla-model-3-rwd", "tesla-model-3-long-range"):
        fleet = Fleet(6, 60, 9, model_mix={model: 1.0})
        trips = itertools.chain.from_iterable(fleet.trips(i) for i in range(6))
        starts = [t.columns["soc"][part.start] - t.hidden["soc"][part.start]
                  for t in trips for part in stretches(t)]  # fmt: skip
        off[model] = float(np.nanmax(np.abs(starts)))
    assert off["tesla-model-3-long-range"] < bms.REST_SOC_ERROR + 0.005
    assert off["tesla-model-3-rwd"] > 2.0 * bms.REST_SOC_ERROR


def test_the_believed_capacity_is_that_of_an_earlier_day() -> None:
    whole = Fleet(vehicles=60, days=1, seed=3)
    today = np.array([whole.truth(i)[0].soh for i in range(60)])
    believed = np.array([whole.profile(i).believed_soh for i in range(60)])
    assert np.all(believed >= today)
    assert 0.003 < np.mean(believed - today) < 0.05


def test_sensors_round_and_stay_near_the_truth(fleet: Fleet) -> None:
    trip = next(fleet.trips(0))
    for name, resolution in (("current_a", 0.1), ("voltage_v", 0.1), ("soc", 0.005)):
        multiple = trip.columns[name] / resolution
        np.testing.assert_allclose(multiple, np.round(multiple), atol=1e-6)
    errors = fleet.profile(0).errors
    seen = trip.columns["current_a"] - (1 + errors.current_gain) * trip.hidden["current_a"]
    assert seen.mean() == pytest.approx(errors.current_offset_a, abs=0.02)


def test_error_sizes_fill_their_bounds_evenly() -> None:
    drawn = [bms.SensorErrors.drawn(np.random.default_rng(i)) for i in range(400)]
    for name, bound in (
        ("current_offset_a", 0.5),
        ("current_gain", 0.01),
        ("capacity_error", 0.05),
    ):
        values = np.array([getattr(errors, name) for errors in drawn])
        assert bound * 0.97 < np.abs(values).max() <= bound
        assert np.abs(values).mean() == pytest.approx(bound / 2, rel=0.1)


def test_the_fleet_holds_young_and_old_vehicles() -> None:
    fleet = Fleet(vehicles=300, days=1, seed=1)
    soh = [p.ageing.soh(p.age) for p in map(fleet.profile, range(300))]
    assert max(soh) > 0.98
    assert 0.5 < min(soh) < 0.70
    assert 0.8 < np.median(soh) < 0.93


def test_truth_ages_by_the_day(fleet: Fleet) -> None:
    truth = fleet.truth(3)
    assert len(truth) == 12
    assert [t.day for t in truth] == list(range(START_S // DAY_S, START_S // DAY_S + 12))
    assert all(b.soh < a.soh for a, b in itertools.pairwise(truth))
    assert all(b.resistance_growth > a.resistance_growth for a, b in itertools.pairwise(truth))
    reference = fleet.vehicle(3).battery.reference_capacity_ah
    assert truth[0].capacity_ah == pytest.approx(truth[0].soh * reference)


def test_threads_and_order_change_nothing() -> None:
    """Files of whole fleets by threads, processes and Ray: ``service/test_simulate.py``."""
    fleet = Fleet(4, 4, 13, trips_per_day=3.0, fault_rate=5.0)
    alone = {i: [trip.columns for trip in fleet.trips(i)] for i in (3, 1, 2, 0)}
    others = Fleet(4, 4, 13, trips_per_day=3.0, fault_rate=5.0)
    with ThreadPoolExecutor(2) as threads:
        lives = list(threads.map(lambda i: list(others.trips(i)), range(4)))
    for i, trips in enumerate(lives):
        for trip, columns in zip(trips, alone[i], strict=True):
            for name, values in columns.items():
                np.testing.assert_array_equal(trip.columns[name], values)
        assert others.truth(i) == fleet.truth(i)


def test_a_year_is_like_a_year_of_real_vehicles() -> None:
    """Passenger cars in Germany drive 12,000 km a year (KBA 2023); company cars and taxis more.

    A compact electric car takes 0.12 to 0.25 kWh/km at the battery over the year."""
    fleet = Fleet(12, 364, 21, rests=False, trips_per_day=3.0)
    for i in range(fleet.vehicles):
        km, kwh, sessions, fast, low, high, degc = 0.0, 0.0, 0, 0, [], [], []
        for trip in fleet.trips(i):
            time, speed = trip.columns["time_s"], trip.columns["speed_mps"]
            watts = trip.columns["current_a"] * trip.columns["voltage_v"]
            known = np.isfinite(speed) & np.isfinite(watts)
            low.append(trip.hidden["soc"].min())
            high.append(trip.hidden["soc"].max())
            degc += [trip.hidden["temperature_degc"].min(), trip.hidden["temperature_degc"].max()]
            if np.nanmax(speed) > 0.0:
                km += float(np.trapezoid(speed[known], time[known])) / 1000.0
                kwh -= float(np.trapezoid(watts[known], time[known])) / 3.6e6
            else:
                sessions, fast = sessions + 1, fast + int(np.nanmax(watts) > 25e3)
        assert 7_000.0 < km < 50_000.0
        assert 0.10 < kwh / km < 0.30
        assert 80 < sessions < 700
        assert fast / sessions < 0.8
        assert 0.02 < min(low) < 0.6
        assert 0.85 < max(high) <= 1.0 + 1e-6
        assert -30.0 < min(degc) < max(degc) < 55.0


def test_truth_is_remembered_of_a_few_and_lived_again_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = Fleet(4, 5, 3)
    first = fleet.truth(0)
    monkeypatch.setattr(fleet_module, "KEPT_DAYS", 11)
    for i in (1, 2, 3):
        fleet.truth(i)
    assert len(fleet._truth) == 2
    assert fleet.truth(0) == first


def test_until_ends_the_fleet_at_a_stated_moment() -> None:
    until = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
    fleet = Fleet(vehicles=1, days=5, seed=2, until_s=until)
    trips = list(fleet.trips(0))
    assert until - 5 * DAY_S <= trips[0].start_s
    assert until - 2 * DAY_S < trips[-1].start_s + trips[-1].duration_s <= until
    following = next(fleet.later(0))
    assert following.start_s + following.duration_s > until


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"vehicles": 0}, "vehicles"),
        ({"days": -1}, "days"),
        ({"seed": -1}, "seed"),
        ({"trips_per_day": 0.0}, "trips_per_day"),
        ({"model_mix": {"renault-zo": 1.0}}, "renault-zoe-ze50"),
        ({"model_mix": {"bmw-i3-60ah": -1.0}}, "model_mix"),
        ({"model_mix": {}}, "model_mix"),
        ({"cell": "nmc811"}, "nmc811-lgm50"),
    ],
)
def test_an_impossible_fleet_is_refused_by_field(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=field):
        Fleet(**({"vehicles": 1, "days": 1, "seed": 1} | arguments))


def test_a_vehicle_outside_the_fleet_is_refused(fleet: Fleet) -> None:
    with pytest.raises(InputError, match="0 to 5"):
        fleet.vehicle(6)
