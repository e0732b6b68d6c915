"""The compiled cut against a plain rewriting of its rules in NumPy."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evitals.telemetry.gaps import gap_rows
from evitals.telemetry.pieces import CHARGE, DRIVE, OPEN, REST
from evitals.telemetry.stuck import STANDING_MPS
from evitals.telemetry.trips import CHARGE_S, PAUSE_S, REST_S, pieces_of

Floats = NDArray[np.float64]
States = NDArray[np.int8]
LIMIT_A = 1.0
STRETCH = st.tuples(
    st.sampled_from([0.1, 1.0, 10.0, 30.0, 60.0]),
    st.sampled_from([1, 1, 2, 3, 5, 10, 60, 130, 310]),
    st.sampled_from([0.1, 30.0, -40.0, 20.0, 0.9, np.nan]),
    st.sampled_from([0.0, 0.0, 15.0, np.nan]),
    st.sampled_from([0.0, 0.0, 0.0, 12.0, 45.0, 200.0, 1000.0, -50.0]),
)


def filled(states: States, default: int) -> States:
    known = states != OPEN
    if not known.any():
        return np.full_like(states, default)
    place = np.maximum.accumulate(np.where(known, np.arange(len(states)), -1))
    place[place < 0] = int(np.argmax(known))
    return states[place]


def runs(states: States) -> list[tuple[int, int]]:
    return list(pairwise([0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]))


def replaced(time: Floats, states: States, state: int, shorter_s: float, by: int) -> States:
    found, result = runs(states), states.copy()
    for k, (a, b) in enumerate(found):
        if states[a] != state or len(found) == 1 or time[b - 1] - time[a] >= shorter_s:
            continue
        inside = 0 < k < len(found) - 1 and states[a - 1] == by == states[b]
        if inside or state != DRIVE:
            result[a:b] = by
    return result


def classified(time: Floats, current: Floats, speed: Floats) -> States:
    moving = np.abs(speed) > STANDING_MPS
    states = np.full(len(time), DRIVE, dtype=np.int8)
    states[~moving & (np.abs(current) <= LIMIT_A)] = REST
    states[~moving & (current > LIMIT_A)] = CHARGE
    states[np.isnan(current) & ~moving] = OPEN
    states = filled(states, DRIVE)
    if not (states == REST).all():
        states = filled(replaced(time, states, REST, REST_S, OPEN), REST)
    states = replaced(time, states, CHARGE, CHARGE_S, DRIVE)
    return replaced(time, states, DRIVE, PAUSE_S, CHARGE)


def plain(
    time: Floats, current: Floats, speed: Floats, first: int = 0, follows: bool = False
) -> list[tuple[int, int, int, bool]]:
    once: list[tuple[int, int, int, bool]] = []
    for start, stop in pairwise([0, *gap_rows(time).tolist(), len(time)]):
        part = slice(start, stop)
        states = classified(time[part], current[part], speed[part])
        once += [(start + a, start + b, int(states[a]), a > 0) for a, b in runs(states)]
    if len(once) == 1:
        return [(first, first + len(time), once[0][2], follows)]
    done = []
    for start, stop, _, joined in once:
        part = slice(start, stop)
        joined = follows if start == 0 else joined
        done += plain(time[part], current[part], speed[part], first + start, joined)
    return done


@settings(deadline=None, max_examples=300)
@given(st.lists(STRETCH, min_size=1, max_size=12))
def test_the_compiled_cut_is_the_plain_one(
    made: list[tuple[float, int, float, float, float]],
) -> None:
    time: list[float] = []
    now = 0.0
    for pace, rows, _, _, pause in made:
        time += (now + pace * np.arange(rows)).tolist()
        now = time[-1] + pace + pause
    current = np.repeat([m[2] for m in made], [m[1] for m in made])
    speed = np.repeat([m[3] for m in made], [m[1] for m in made])
    columns = np.array(time), current, speed
    found = pieces_of(*columns, LIMIT_A).tolist()
    assert [tuple(piece) for piece in found] == plain(*columns)


def test_nothing_is_cut_into_nothing() -> None:
    assert pieces_of(np.empty(0), np.empty(0), np.empty(0), LIMIT_A).shape == (0, 4)


@pytest.mark.parametrize("step", [1, 2])
def test_columns_may_be_views_and_read_only(step: int) -> None:
    time = np.arange(0.0, 900.0, 1.0)[::step]
    current = np.where(time < 400.0, 0.0, -30.0)
    current.flags.writeable = False
    speed = np.where(time < 400.0, 0.0, 10.0)
    found = pieces_of(time, current, speed, LIMIT_A)
    assert [state for _, _, state, _ in found] == [REST, DRIVE]
    assert found[0, 1] == 400 / step
