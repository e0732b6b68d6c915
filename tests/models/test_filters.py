"""Filters: exact on known signals, causal, and the same sample by sample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.models.filters import Ema, MovingMean, integral, lowpass, mean_over

signals = st.lists(
    st.tuples(st.floats(0.01, 40.0), st.floats(-100.0, 100.0)), min_size=2, max_size=60
)


def arrays(pairs: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs)
    return np.cumsum(table[:, 0]), table[:, 1]


@settings(deadline=None)
@given(signals, st.floats(0.05, 1000.0))
def test_stepping_equals_running(pairs: list[tuple[float, float]], seconds: float) -> None:
    time_s, values = arrays(pairs)
    for one in (Ema(seconds), Ema(seconds, start=0.0), MovingMean(seconds)):
        whole = one.run(time_s, values)
        stepped = [one.step(t, v) for t, v in zip(time_s, values, strict=True)]
        assert stepped == pytest.approx(whole, rel=1e-9, abs=1e-8)
        one.reset()
        assert one.step(time_s[0], values[0]) == pytest.approx(whole[0])


@settings(deadline=None)
@given(signals, st.floats(0.05, 1000.0), st.data())
def test_no_filter_sees_the_future(
    pairs: list[tuple[float, float]], seconds: float, data: st.DataObject
) -> None:
    time_s, values = arrays(pairs)
    cut = data.draw(st.integers(1, len(values)))
    for one in (Ema(seconds), MovingMean(seconds)):
        part = one.run(time_s[:cut], values[:cut])
        assert part == pytest.approx(one.run(time_s, values)[:cut], rel=1e-9, abs=1e-9)


def test_ema_is_the_exact_step_response_on_any_grid() -> None:
    time_s = np.array([0.0, 0.3, 1.0, 7.0, 30.0])
    rising = Ema(10.0, start=0.0).run(time_s, np.ones(5))
    assert rising == pytest.approx(1.0 - np.exp(-time_s / 10.0))
    assert Ema(10.0).run(time_s, np.full(5, 3.0)) == pytest.approx(3.0)


def test_moving_mean_weighs_by_time() -> None:
    time_s = np.array([0.0, 1.0, 3.0, 4.0])
    values = np.array([9.0, 2.0, 6.0, 1.0])
    # Window 2 s at t = 4: 1 s of 6 (2..3) and 1 s of 1; at t = 1 only what is there.
    assert MovingMean(2.0).run(time_s, values) == pytest.approx([9.0, 2.0, 6.0, 3.5])


def test_moving_mean_remembers_no_more_than_its_window() -> None:
    mean = MovingMean(5.0)
    for k in range(1000):
        mean.step(float(k), 1.0)
    assert len(mean._past) <= 7


def test_mean_over_keeps_the_charge() -> None:
    draw = np.random.default_rng(1)
    time_s = np.r_[0.0, np.cumsum(draw.uniform(0.05, 0.3, 999))]
    current = draw.normal(size=1000)
    grid = np.arange(2.0, time_s[-1], 2.0)
    mean = mean_over(time_s, current, grid, 2.0)
    charge = np.interp(grid[-1], time_s, integral(time_s, current))
    assert float(mean.sum() * 2.0) == pytest.approx(charge)


def test_lowpass_removes_what_would_alias_and_the_bare_pick_does_not() -> None:
    time_s = np.linspace(0.0, 599.9, 6000)
    tone = np.sin(2 * np.pi * 0.9 * time_s)  # 0.9 Hz looks like 0.1 Hz at 1 Hz
    slow = np.sin(2 * np.pi * 0.05 * time_s)
    grid = np.arange(1.0, 599.0)
    assert np.std(tone[::10]) > 0.7
    assert np.std(lowpass(time_s, tone, grid, 1.0)[50:]) < 0.001
    assert np.std(lowpass(time_s, slow, grid, 1.0)[50:]) == pytest.approx(2**-0.5, rel=0.01)
    assert np.std(mean_over(time_s, tone, grid, 1.0)[50:]) < 0.1


def test_lowpass_begins_where_the_signal_does() -> None:
    time_s = np.linspace(0.0, 49.9, 500)
    flat = lowpass(time_s, np.full(500, 3.7), np.arange(1.0, 49.0), 1.0)
    assert flat == pytest.approx(3.7)
