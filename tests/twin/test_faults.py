"""Faults: each shows in its own way, from its day on and not before; drawn ones are repeatable."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.twin import faults
from evitals.twin.faults import Fault, Kind
from evitals.twin.fleet import DAY_S, START_S, Fleet, Truth
from evitals.twin.recorder import TwinTrip

DAYS, BREAKS = 40, 20
FIRST = START_S // DAY_S
Life = tuple[list[TwinTrip], list[TwinTrip], list[Truth]]


def life(*some: Fault, place: str = "berlin", until_s: int | None = None) -> Life:
    """Trips before and after the day of the fault, and the truth, of one Zoe."""
    until = START_S + DAYS * DAY_S if until_s is None else until_s

    def fleet(faults: Sequence[Fault]) -> Fleet:
        zoe = {"renault-zoe-ze50": 1.0}
        return Fleet(
            1, DAYS, 11, True, 2.0, zoe, until, places=(place,), faults={0: faults}
        )  # fmt: skip

    day_s = until - (DAYS - BREAKS) * DAY_S
    # A clock that jumps says nothing of when it was: the sound twin does.
    first = sum(trip.start_s < day_s for trip in fleet(()).trips(0))
    broken = fleet(some)
    trips = list(broken.trips(0))
    return trips[:first], trips[first:], broken.truth(0)


def fault(kind: Kind, size: float, until_s: int | None = None) -> Fault:
    first = FIRST if until_s is None else until_s // DAY_S - DAYS
    return Fault(kind, first + BREAKS, size)


@pytest.fixture(scope="module")
def sound() -> Life:
    return life()


def rows(trips: Sequence[TwinTrip], name: str) -> np.ndarray:
    return np.concatenate([trip.columns[name] for trip in trips])


def true(trips: Sequence[TwinTrip], name: str) -> np.ndarray:
    return np.concatenate([trip.hidden[name] for trip in trips])


def driving(trips: Sequence[TwinTrip]) -> np.ndarray:
    return rows(trips, "speed_mps") > 1.0


def ohms(trips: Sequence[TwinTrip]) -> float:
    """Voltage over current of quick changes while driving: the instant resistance."""
    volts, amps = np.diff(rows(trips, "voltage_v")), np.diff(true(trips, "current_a"))
    quick = driving(trips)[1:] & (np.abs(amps) > 20.0) & np.isfinite(volts)
    return float(np.sum(volts[quick] * amps[quick]) / np.sum(amps[quick] ** 2))


def spread_v(trips: Sequence[TwinTrip]) -> float:
    return float(np.mean(rows(trips, "cell_voltage_max_v") - rows(trips, "cell_voltage_min_v")))


def rest_spread_v(trips: Sequence[TwinTrip]) -> float:
    resting = true(trips, "current_a") == 0.0
    gap = rows(trips, "cell_voltage_max_v") - rows(trips, "cell_voltage_min_v")
    return float(np.mean(gap[resting]))


def resting_a(trips: Sequence[TwinTrip]) -> float:
    return float(np.nanmean(rows(trips, "current_a")[true(trips, "current_a") == 0.0]))


def gain(trips: Sequence[TwinTrip]) -> float:
    seen, flowing = rows(trips, "current_a"), true(trips, "current_a")
    known = np.isfinite(seen)
    return float(np.polyfit(flowing[known], seen[known], 1)[0])


def soc_error(trips: Sequence[TwinTrip]) -> float:
    return float(np.nanmax(np.abs(rows(trips, "soc") - true(trips, "soc"))))


def temperature_std(trips: Sequence[TwinTrip]) -> float:
    return float(np.nanstd(rows(trips, "temperature_degc")))


def lost(trips: Sequence[TwinTrip]) -> float:
    """Share of the rows of drives, one a second, that did not arrive."""
    spans = [trip.columns["time_s"][trip.columns["speed_mps"] > 1.0] for trip in trips]
    inside = [
        np.diff(trip.columns["time_s"][(t >= span[0]) & (t <= span[-1])])
        for trip, span in zip(trips, spans, strict=True)
        for t in [trip.columns["time_s"]]
        if span.size
    ]
    steps = np.concatenate(inside)
    return float(1.0 - steps.size / steps.sum())


CASES: tuple[tuple[Kind, float, Callable[[Sequence[TwinTrip]], float], float, float], ...] = (
    # kind, size, what to look at, least and most change of it after the fault
    ("weak_cell", 0.2, spread_v, 0.010, 0.5),
    ("soft_short", 0.1, rest_spread_v, 0.010, 0.5),
    ("resistance_jump", 1.8, ohms, 0.03, 0.2),
    ("current_offset", -4.0, resting_a, -4.05, -3.95),
    ("current_gain", 0.1, gain, 0.095, 0.105),
    ("soc_drift", 0.03, soc_error, 0.10, 0.6),
    ("stuck_temperature", 17.0, temperature_std, -np.inf, -0.5),
    ("lost_samples", 0.3, lost, 0.2, 0.4),
)


@pytest.mark.parametrize(("kind", "size", "look", "least", "most"), CASES)
def test_a_fault_shows_in_its_own_way_after_its_day(
    sound: Life,
    kind: Kind,
    size: float,
    look: Callable[[Sequence[TwinTrip]], float],
    least: float,
    most: float,
) -> None:
    _, after, _ = life(fault(kind, size))
    assert least <= look(after) - look(sound[1]) <= most


@pytest.mark.parametrize("kind", faults.KINDS)
def test_nothing_shows_before_its_day(sound: Life, kind: Kind) -> None:
    low, high, _, _ = faults.BOUNDS[kind]
    broken = fault(kind, 0.5 * (low + high))
    before, after, truth = life(broken)
    assert len(before) == len(sound[0])
    for one, other in zip(before, sound[0], strict=True):
        assert one.start_s == other.start_s
        for name, values in one.columns.items():
            np.testing.assert_array_equal(values, other.columns[name])
    changed = any(
        one.start_s != other.start_s
        or any(not np.array_equal(one.columns[n], other.columns[n]) for n in one.columns)
        for one, other in zip(after, sound[1], strict=False)
    )
    assert changed or kind == "cooling_failure"
    assert [t.faults for t in truth[:BREAKS]] == [()] * BREAKS
    assert [t.faults for t in truth[BREAKS:]] == [(broken,)] * (DAYS - BREAKS)


def test_without_cooling_a_hot_pack_stays_hot() -> None:
    august = int(datetime(2025, 8, 10, tzinfo=UTC).timestamp())
    _, sound, _ = life(place="phoenix", until_s=august)
    _, after, _ = life(fault("cooling_failure", 1.0, august), place="phoenix", until_s=august)
    hot = float(np.percentile(true(after, "temperature_degc"), 90))
    assert hot > float(np.percentile(true(sound, "temperature_degc"), 90)) + 1.0


def test_a_stuck_sensor_shows_its_size_and_the_pack_goes_on() -> None:
    _, after, _ = life(fault("stuck_temperature", 17.0))
    shown = rows(after, "temperature_degc")
    assert set(shown[np.isfinite(shown)]) == {17.0}
    assert np.std(true(after, "temperature_degc")) > 1.0


def test_swapped_sensors_show_the_air_for_the_pack(sound: Life) -> None:
    _, after, _ = life(fault("swapped_temperature", 1.0))
    shown, truth = rows(after, "temperature_degc"), true(after, "temperature_degc")
    air = rows(sound[1], "ambient_degc")
    assert abs(np.nanmean(shown) - np.mean(air)) < 0.5
    assert np.nanmean(np.abs(shown - truth)) > 1.0
    warm = np.array([t.columns["ambient_degc"][0] - t.hidden["temperature_degc"][0] for t in after])
    assert np.max(np.abs(warm)) < 0.6


def test_a_drifting_count_is_put_right_after_a_fortnight() -> None:
    _, after, _ = life(fault("soc_drift", 0.02))
    day = np.array([trip.start_s // DAY_S - FIRST - BREAKS for trip in after])
    off = np.array([np.nanmean(t.columns["soc"] - t.hidden["soc"]) for t in after])
    assert abs(off[day < 14][-1]) > 0.03
    assert abs(off[day >= 14][0]) < 0.03


def test_the_knee_bends_the_truth(sound: Life) -> None:
    _, _, truth = life(fault("capacity_knee", 0.4))
    lost = [a.soh - b.soh for a, b in zip(sound[2], truth, strict=True)]
    assert lost[:BREAKS] == [0.0] * BREAKS
    assert lost[-1] == pytest.approx(0.4 * (DAYS - BREAKS - 1) / 365.25, rel=0.02)
    assert truth[-1].resistance_growth > sound[2][-1].resistance_growth


def test_a_weak_cell_leaves_less_to_use_and_the_average_alone(sound: Life) -> None:
    _, _, truth = life(fault("weak_cell", 0.2))
    assert truth[-1].usable_ah == pytest.approx(0.8 * sound[2][-1].usable_ah, rel=0.01)
    assert truth[-1].soh == pytest.approx(sound[2][-1].soh, abs=1e-3)


@pytest.mark.parametrize("size", [3600.0, -3600.0])
def test_a_clock_that_jumps_shifts_all_later_trips(sound: Life, size: float) -> None:
    _, after, _ = life(fault("clock_jump", size))
    assert [t.start_s for t in after] == [t.start_s + int(size) for t in sound[1]]
    inside = np.diff(after[0].columns["time_s"]).max()
    assert (inside > 3600.0) == (size > 0.0)
    assert all(np.diff(trip.columns["time_s"]).min() > 0.0 for trip in after)


def test_drawn_faults_are_repeatable_inside_the_dates_and_as_many_as_asked() -> None:
    fleet = Fleet(vehicles=400, days=730, seed=5, fault_rate=0.5)
    drawn = [fleet.faults(i) for i in range(400)]
    assert [Fleet(400, 730, 5, fault_rate=0.5).faults(i) for i in range(400)] == drawn
    count = sum(len(some) for some in drawn)
    assert 320 < count < 480
    assert {f.kind for some in drawn for f in some} == set(faults.KINDS)
    assert all(FIRST <= f.day < FIRST + 730 for some in drawn for f in some)
    assert all(len({f.kind for f in some}) == len(some) for some in drawn)
    assert Fleet(vehicles=1, days=5, seed=5).faults(0) == ()


@pytest.mark.parametrize(
    ("kind", "size", "word"),
    [("weak_cell", 1.5, "size"), ("rust", 1.0, "kind"), ("soft_short", float("nan"), "size")],
)
def test_an_impossible_fault_is_refused(kind: Kind, size: float, word: str) -> None:
    with pytest.raises(InputError, match=word):
        Fault(kind, FIRST, size)


def test_a_fault_of_a_vehicle_outside_the_fleet_is_refused() -> None:
    with pytest.raises(InputError, match="0 to 0"):
        Fleet(1, 5, 1, faults={3: [fault("weak_cell", 0.1)]})
