"""Running recipes: checks, gaps, resampling, disturbances; whole equals stream."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.errors import InputError
from evitals.models.preprocessing import Stream, apply, check_rates, disturbed, stretches
from evitals.models.recipe import Recipe
from evitals.models.steps import (
    Assume,
    Column,
    Drift,
    Ema,
    Gain,
    MovingMean,
    Noise,
    Offset,
    Resample,
    Step,
)
from tests.models.conftest import Make, made

INPUTS = ("soc", "current_a", "temperature_degc")
PLAIN = Recipe(inputs=INPUTS)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Step, ...]:
    """Up to six steps, each reading measured columns or those made before."""
    steps: list[Step] = []
    known = list(INPUTS)
    for k in range(draw(st.integers(1, 6))):
        column, output = draw(st.sampled_from(known)), f"made_{k}"
        seconds = draw(st.floats(0.5, 300.0))
        other = draw(st.sampled_from(known))
        made_of: list[Step] = [
            Ema(column=column, tau_s=seconds, output=output),
            Ema(column=column, tau_s=seconds, output=output, start="first"),
            MovingMean(column=column, window_s=seconds, output=output),
            Column(formula=f"asinh({column} / 0.5) * {other}", output=output),
            Column(formula=f"where({column} < 0, tanh({other}), 1)", output=output),
        ]
        steps.append(draw(st.sampled_from(made_of)))
        known.append(output)
    return tuple(steps)


@settings(deadline=None, max_examples=60)
@given(chains(), st.integers(0, 1000), st.data())
def test_stream_and_prefix_equal_the_whole(
    steps: tuple[Step, ...], seed: int, data: st.DataObject
) -> None:
    recipe = Recipe(inputs=INPUTS, steps=steps)
    columns = dict(made(rows=80, seed=seed).columns)
    gaps = np.random.default_rng(seed).uniform(0.1, 4.0, 80)
    columns["time_s"] = np.cumsum(gaps)
    whole = apply(recipe, columns)
    stream = Stream(recipe)
    for k, time_s in enumerate(columns["time_s"].tolist()):
        sample = {name: float(columns[name][k]) for name in INPUTS}
        answer = stream.step(time_s, sample)
        for name in recipe.made:
            assert answer[name] == pytest.approx(whole[name][k], rel=1e-9, abs=1e-9)
    cut = data.draw(st.integers(2, 79))
    part = apply(recipe, {name: values[:cut] for name, values in columns.items()})
    for name in recipe.made:
        assert part[name] == pytest.approx(whole[name][:cut], rel=1e-9, abs=1e-9)


def test_stream_resets_at_a_gap_and_refuses_time_going_back() -> None:
    recipe = Recipe(inputs=("slow",), steps=(Ema(column="soc", tau_s=50.0, output="slow"),))
    stream = Stream(recipe)
    first = [stream.step(float(k), {"soc": 1.0})["slow"] for k in range(5)]
    again = [stream.step(100.0 + k, {"soc": 1.0})["slow"] for k in range(5)]
    assert again == first
    with pytest.raises(InputError, match="does not follow 104"):
        stream.step(104.0, {"soc": 1.0})


@settings(deadline=None, max_examples=40)
@given(st.floats(0.3, 7.0), st.integers(200, 400), st.integers(20, 199))
def test_resampling_needs_no_later_sample(step_s: float, rows: int, cut: int) -> None:
    recipe = Recipe(inputs=INPUTS, resample=Resample(step_s=step_s), shortest_s=1.0)
    columns = made(rows=rows, step_s=0.25).columns
    part = {name: values[:cut] for name, values in columns.items()}
    if 0.25 * (cut - 1) < 10.01 * step_s:
        return
    (whole,), (start,) = stretches(recipe, columns), stretches(recipe, part)
    assert 0 < len(start) <= len(whole)
    for name, values in start.columns.items():
        assert values == pytest.approx(whole.columns[name][: len(values)], abs=1e-9)


def test_resampled_to_the_same_rate_is_the_same(make: Make) -> None:
    test = make()
    (kept,) = stretches(Recipe(inputs=INPUTS, resample=Resample(step_s=1.0)), test.columns)
    for name, values in kept.columns.items():
        assert values == pytest.approx(test.columns[name][1:])


def test_resampling_averages_and_stamps_the_end(make: Make) -> None:
    test = make(rows=401, step_s=0.5)
    (kept,) = stretches(Recipe(inputs=INPUTS, resample=Resample(step_s=2.0)), test.columns)
    assert kept.columns["time_s"][:3].tolist() == [2.0, 4.0, 6.0]
    current = test.columns["current_a"]
    assert kept.columns["current_a"][0] == pytest.approx(current[1:5].mean())
    assert kept.columns["current_a"][-1] == pytest.approx(current[-4:].mean())
    low = Recipe(inputs=INPUTS, resample=Resample(step_s=2.0, method="lowpass"))
    (smooth,) = stretches(low, test.columns)
    assert len(smooth) == len(kept)
    assert np.std(smooth.columns["current_a"]) < 0.8 * np.std(current)


def test_resampling_invents_nothing(make: Make) -> None:
    with pytest.raises(InputError, match="it would invent some"):
        stretches(Recipe(inputs=INPUTS, resample=Resample(step_s=0.5)), make().columns)
    low = Recipe(inputs=INPUTS, resample=Resample(step_s=1.5, method="lowpass"))
    with pytest.raises(InputError, match="1 s between samples"):
        stretches(low, make().columns)
    uneven = dict(make().columns)
    uneven["time_s"] = uneven["time_s"] + np.where(np.arange(400) % 2, 0.4, 0.0)
    with pytest.raises(InputError, match="uneven intervals"):
        stretches(Recipe(inputs=INPUTS, resample=Resample(step_s=4.0, method="lowpass")), uneven)


def test_gaps_are_refused_or_split(make: Make) -> None:
    columns = dict(make().columns)
    columns["time_s"] = columns["time_s"] + np.where(np.arange(400) >= 150, 300.0, 0.0)
    columns["time_s"] += np.where(np.arange(400) >= 380, 10.0, 0.0)
    with pytest.raises(InputError, match=r"301 s' passes after row 149: 2 gaps longer") as caught:
        stretches(PLAIN, columns, "drive 7")
    assert caught.value.field == "drive 7.time_s"
    parts = stretches(Recipe(inputs=INPUTS, on_gap="split"), columns)
    assert [len(part) for part in parts] == [150, 230]  # the last 20 s are too short
    assert float(parts[1].columns["time_s"][0]) == 450.0


def test_bad_columns_are_refused(make: Make) -> None:
    columns = dict(make().columns)
    lacking = {name: values for name, values in columns.items() if name != "temperature_degc"}
    with pytest.raises(InputError, match=r"has no such column.*\[\[assume\]\]"):
        stretches(PLAIN, lacking)
    with pytest.raises(InputError, match=r"did you mean temperature_deg\?"):
        stretches(PLAIN, {**lacking, "temperature_deg": columns["temperature_degc"]})
    with pytest.raises(InputError, match="holds no value of it"):
        stretches(PLAIN, {**lacking, "temperature_degc": np.full(400, np.nan)})
    holed = columns["temperature_degc"].copy()
    holed[[17, 30]] = np.nan
    with pytest.raises(InputError, match="2 of 400 samples' are missing, first in row 17"):
        stretches(PLAIN, {**columns, "temperature_degc": holed})
    for bad in (5.0, np.nan):
        times = columns["time_s"].copy()
        times[9] = bad
        with pytest.raises(InputError, match="does not increase in row 9"):
            stretches(PLAIN, {**columns, "time_s": times})


def test_a_constant_is_assumed_only_where_nothing_was_measured(make: Make) -> None:
    recipe = Recipe(
        inputs=INPUTS,
        assume=(Assume(column="temperature_degc", value=24.0, why="room temperature"),),
    )
    columns = dict(make().columns)
    (kept,) = stretches(recipe, columns)
    assert kept.assumed == ()
    assert kept.columns["temperature_degc"].tolist() == columns["temperature_degc"].tolist()
    del columns["temperature_degc"]
    (kept,) = stretches(recipe, columns)
    assert kept.assumed == ("temperature_degc",)
    assert set(kept.columns["temperature_degc"]) == {24.0}
    for wrong in ("voltage_v", "ambient_degc"):
        with pytest.raises(InputError, match="is the target or read by no step"):
            Recipe(inputs=INPUTS, assume=(Assume(column=wrong, value=1.0, why="no idea"),))


def test_too_short_for_the_state(make: Make) -> None:
    slow = Recipe(inputs=("slow",), steps=(Ema(column="current_a", tau_s=500.0, output="slow"),))
    with pytest.raises(InputError, match="shorter than the 500 s"):
        stretches(slow, make().columns)
    with pytest.raises(InputError, match="too few"):
        stretches(PLAIN, make(rows=5).columns)
    with pytest.raises(InputError, match="shorter than the 60 s"):
        stretches(PLAIN, make(rows=50).columns)
    assert len(stretches(Recipe(inputs=INPUTS, shortest_s=20.0), make(rows=50).columns)) == 1


def test_a_formula_without_a_value_names_test_and_step(make: Make) -> None:
    recipe = Recipe(inputs=("root",), steps=(Column(formula="sqrt(current_a)", output="root"),))
    with pytest.raises(InputError, match=r"drive 7, steps\[0\] root: .*first in row") as caught:
        apply(recipe, make().columns, "drive 7")
    assert caught.value.reason == "formula_not_finite"


def test_rates_may_not_be_mixed_unless_resampled() -> None:
    with pytest.raises(InputError, match=r"fast every 0\.1 s, slow every 1 s"):
        check_rates(PLAIN, {"slow": 1.0, "fast": 0.1, "mid": 0.5})
    check_rates(PLAIN, {"a": 1.0, "b": 1.05})
    check_rates(Recipe(inputs=INPUTS, resample=Resample(step_s=1.0)), {"a": 1.0, "b": 0.1})


def test_disturbances_have_the_stated_size(make: Make) -> None:
    columns = make(rows=20_000).columns

    def errors(recipe: Recipe, name: str) -> np.ndarray:
        return np.array(
            [disturbed(recipe, columns, "d", copy)[name] - columns[name] for copy in range(1, 40)]
        )

    noise = errors(
        Recipe(inputs=INPUTS, disturb=(Noise(column="current_a", sigma=0.02),)), "current_a"
    )
    assert noise.std() == pytest.approx(0.02, rel=0.02)
    drift = errors(
        Recipe(inputs=INPUTS, disturb=(Drift(column="current_a", sigma=0.05, tau_s=600.0),)),
        "current_a",
    )
    assert drift.std() == pytest.approx(0.05, rel=0.15)
    lag = float(np.mean(drift[:, :-600] * drift[:, 600:]) / np.mean(drift**2))
    assert lag == pytest.approx(np.exp(-1.0), abs=0.08)
    offset = errors(
        Recipe(inputs=INPUTS, disturb=(Offset(column="temperature_degc", half_width=3.0),)),
        "temperature_degc",
    )
    assert np.ptp(offset, axis=1) == pytest.approx(0.0, abs=1e-9)
    assert 1.5 < np.abs(offset).max() <= 3.0
    gain = disturbed(
        Recipe(inputs=INPUTS, disturb=(Gain(column="current_a", half_width=0.01),)), columns, "d", 1
    )
    ratio = gain["current_a"] / columns["current_a"]
    assert np.ptp(ratio) == pytest.approx(0.0, abs=1e-12)
    assert 0.0 < abs(ratio[0] - 1.0) <= 0.01


def test_a_counter_adds_the_currents_error_into_soc(make: Make) -> None:
    columns = make(rows=3601).columns
    recipe = Recipe(
        inputs=INPUTS, disturb=(Offset(column="current_a", half_width=0.05, counts_ah=2.5),)
    )
    out = disturbed(recipe, columns, "digest", 1)
    offset = float(out["current_a"][0] - columns["current_a"][0])
    moved = out["soc"] - columns["soc"]
    assert moved[0] == 0.0
    assert moved[-1] == pytest.approx(offset / 2.5)  # an hour of it
    assert out["voltage_v"] is columns["voltage_v"]


def test_disturbances_are_drawn_by_seed_test_and_copy_alone(make: Make) -> None:
    columns = make().columns
    recipe = Recipe(inputs=INPUTS, disturb=(Noise(column="current_a", sigma=0.02),))

    def drawn(recipe: Recipe, digest: str, copy: int) -> list[float]:
        values: list[float] = disturbed(recipe, columns, digest, copy)["current_a"].tolist()
        return values

    first = drawn(recipe, "a", 1)
    assert drawn(recipe, "a", 1) == first
    other = Recipe(inputs=INPUTS, disturb=recipe.disturb, seed=1)
    assert first not in (drawn(recipe, "a", 2), drawn(recipe, "b", 1), drawn(other, "a", 1))
