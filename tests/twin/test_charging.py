"""Charging: habits decide when, where and how far; the pack's limits shape the session."""

from typing import Any

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.twin.charging import LONGEST_S, Habit, Session
from evitals.twin.pack import Pack, State

HABIT = Habit(
    ac_power_w=7400.0,
    dc_power_w=100_000.0,
    opportunity_power_w=22_000.0,
    charge_below=0.4,
    dc_share=0.4,
    every_night=0.5,
    opportunity=0.2,
)


def sessions(soc: float, last: bool, habit: Habit = HABIT) -> list[Session]:
    chances = np.random.default_rng(1).random((4000, 4)).tolist()
    found = [habit.after(soc, 0.95, last, u) for u in chances]
    return [session for session in found if session is not None]


def test_who_is_empty_charges_and_who_is_full_does_not() -> None:
    assert len(sessions(0.2, last=False)) == 4000
    assert sessions(0.93, last=True) == []
    assert sessions(0.93, last=False) == []


def test_shares_of_kinds_are_those_of_the_habit() -> None:
    evening = [s.kind for s in sessions(0.2, last=True)]
    assert evening.count("dc") / 4000 == pytest.approx(0.4, abs=0.03)
    assert evening.count("ac") + evening.count("dc") == 4000
    night = [s.kind for s in sessions(0.7, last=True)]
    assert len(night) / 4000 == pytest.approx(0.5, abs=0.03)
    assert set(night) == {"ac"}
    between = sessions(0.6, last=False)
    assert {s.kind for s in between} == {"opportunity"}
    assert 0.05 < len(between) / 4000 < 0.2


def test_without_a_fast_charger_all_is_slow() -> None:
    assert {s.kind for s in sessions(0.2, True, Habit(ac_power_w=3700.0, dc_share=1.0))} == {"ac"}


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("soc", [0.05, 0.2, 0.5, 0.8])
def test_every_session_raises_the_charge_within_the_vehicle(soc: float, last: bool) -> None:
    for session in sessions(soc, last):
        assert soc + 0.049 <= session.target_soc <= 0.95 + 1e-9
        assert session.delay_s > 0.0
        assert session.longest_s == LONGEST_S[session.kind]


def test_fast_is_power_first_then_the_voltage_limit_with_a_fading_current(pack: Pack) -> None:
    step = np.full(360, 10.0)
    step[0] = 0.0
    power = np.full(360, 60_000.0)
    trace = pack.run(State(0.3, temperature_degc=25.0), step, power, 25.0, soc_stop=0.97)
    given = trace.current_a * trace.voltage_v
    top = trace.highest_v.max()
    assert given[5] == pytest.approx(60_000.0, rel=0.05)
    assert top <= pack.battery.limits.cell_voltage_max_v + 1e-3
    late = trace.soc > 0.93
    assert late.any()
    assert np.all(np.diff(trace.current_a[late]) < 0.0)
    assert trace.current_a[-1] < 0.5 * trace.current_a.max()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ac_power_w": 0.0}, "ac_power_w"),
        ({"ac_power_w": float("nan")}, "ac_power_w"),
        ({"dc_power_w": -1.0}, "dc_power_w"),
        ({"dc_share": 1.2}, "dc_share"),
        ({"charge_below": -0.1}, "charge_below"),
    ],
)
def test_an_impossible_habit_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=field):
        Habit(**({"ac_power_w": 7400.0} | change))
