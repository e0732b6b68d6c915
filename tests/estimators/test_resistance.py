"""Resistance growth: unknown until there is evidence, robust, and resumed where it stopped."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.battery import Battery, Limits, describe
from evitals.cells.point import point_tables
from evitals.errors import InputError
from evitals.estimators.resistance import MIN_EVIDENCE, MIN_STEPS, STEP_S, ResistanceFilter

DAY_S = 86400.0
PACK = Battery(
    level="pack",
    series=96,
    parallel=2,
    chemistry="NMC",
    reference_capacity_ah=100.0,
    limits=Limits(
        cell_voltage_min_v=2.8,
        cell_voltage_max_v=4.2,
        discharge_current_a=400.0,
        charge_current_a=200.0,
    ),
)


def trip(day: float, ratio: float, *, soc: float = 0.6, degc: float = 20.0) -> dict[str, float]:
    """Features of a trip of PACK whose resistance is ``ratio`` times the tables'."""
    table = point_tables("NMC").step_resistance(soc, degc, STEP_S) * PACK.series / 100.0
    return {
        "event_s": day * DAY_S,
        "resistance_ohm": ratio * table,
        "soc": soc,
        "temperature_degc": degc,
        "steps": 200.0,
        "sigma_ohm": 0.01 * table,
    }


def fed(ratios: list[float], days: float = 1.0) -> ResistanceFilter:
    battery = ResistanceFilter(PACK)
    for k, ratio in enumerate(ratios):
        assert battery.step(**trip(k * days, ratio)) == ""
    return battery


def test_unknown_until_enough_evidence() -> None:
    few = fed([1.0] * (MIN_EVIDENCE - 1))
    for answer in (few.estimate(), few.level()):
        assert answer.value is None
        assert answer.validity == "unknown"
        assert answer.reasons == ("few_resistance_evidence",)
    assert few.step(**trip(100, 1.0)) == ""
    assert few.estimate().validity == "valid"
    assert few.evidence_count == MIN_EVIDENCE


@settings(max_examples=25, deadline=None)
@given(design=st.floats(0.5, 2.0), growth=st.floats(1.0, 1.8), seed=st.integers(0, 1000))
def test_growth_is_told_apart_from_design(design: float, growth: float, seed: int) -> None:
    """Another cell design shifts the level, not the growth; ageing over years moves both."""
    rng = np.random.default_rng(seed)
    trips = 400
    course = np.exp(np.linspace(0.0, math.log(growth), trips) + rng.normal(0, 0.04, trips))
    battery = fed((design * course).tolist(), days=5.0)
    answer, level = battery.estimate(), battery.level()
    assert answer.value == pytest.approx(growth, rel=0.08)
    assert level.value == pytest.approx(design * growth, rel=0.06)
    assert answer.low is not None
    assert answer.high is not None
    assert answer.low < growth < answer.high
    assert "baseline_first_evidence" in answer.reasons


def test_the_growth_interval_holds_what_happened_before_the_first_evidence() -> None:
    answer, level = fed([1.2] * 200).estimate(), fed([1.2] * 200).level(20.0)
    assert answer.low is not None
    assert answer.high is not None
    assert level.low is not None
    assert level.high is not None
    assert answer.high / answer.low > 1.5
    assert level.high / level.low < 1.25


def test_a_steeper_temperature_law_is_not_taken_for_growth() -> None:
    """A summer, then a winter, of a battery whose resistance rises faster in the cold."""
    battery = ResistanceFilter(PACK)
    for day in range(400):
        degc = 15.0 + 12.0 * math.cos(2 * math.pi * day / 365.0)
        cold = 29.815 * (1.0 - 298.15 / (273.15 + degc))
        battery.step(**trip(day, 0.8 * math.exp(-0.16 * cold), degc=degc))
    assert battery.estimate().value == pytest.approx(1.0, abs=0.05)
    assert battery.level(25.0).value == pytest.approx(0.8, rel=0.05)
    cold_level = battery.level(5.0).value
    assert cold_level is not None
    assert cold_level > 1.05


@settings(deadline=None)
@given(where=st.integers(0, 29), bad=st.sampled_from([0.2, 0.3, 3.0, 5.0]))
def test_one_outlier_moves_little_and_a_lasting_change_is_followed(where: int, bad: float) -> None:
    ratios = [1.0] * 30
    ratios[where] = bad
    level = fed(ratios).level().value
    assert level is not None
    assert abs(math.log(level)) < 0.02
    changed = fed([1.0] * 30 + [1.4] * 300).level().value
    assert changed == pytest.approx(1.4, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"resistance_ohm": math.nan}, "no_resistance"),
        ({"resistance_ohm": -0.1}, "no_resistance"),
        ({"resistance_ohm": math.inf}, "no_resistance"),
        ({"soc": math.nan}, "no_resistance"),
        ({"temperature_degc": math.nan}, "no_resistance"),
        ({"steps": MIN_STEPS - 1.0}, "few_resistance_steps"),
        ({"steps": math.nan}, "few_resistance_steps"),
        ({"sigma_ohm": 1.0}, "noisy_resistance"),
        ({"temperature_degc": 70.0}, "temperature_outside_tables"),
        ({"temperature_degc": -20.0, "soc": 0.1}, "soc_outside_tables"),
        ({"resistance_ohm": 10.0}, "implausible_resistance"),
    ],
)
def test_refused_evidence_is_named_and_changes_nothing(
    changes: dict[str, float], reason: str
) -> None:
    battery = fed([1.1] * 6)
    before = battery.state()
    assert battery.step(**(trip(9.0, 1.1) | changes)) == reason
    assert battery.state() == before


def test_missing_sigma_is_no_error() -> None:
    battery = ResistanceFilter(PACK)
    assert battery.step(**(trip(0.0, 1.0) | {"sigma_ohm": math.nan})) == ""
    assert np.isfinite(battery.state()["mean"]).all()


@settings(max_examples=30, deadline=None)
@given(ratios=st.lists(st.floats(0.5, 2.0), min_size=1, max_size=30), cut=st.integers(0, 30))
def test_a_checkpoint_resumes_where_it_stopped(ratios: list[float], cut: int) -> None:
    whole = fed(ratios)
    first = fed(ratios[:cut])
    second = ResistanceFilter(PACK)
    second.restore(json.loads(json.dumps(first.state())))
    for k, ratio in enumerate(ratios[cut:], start=min(cut, len(ratios))):
        second.step(**trip(k, ratio))
    assert second.state() == whole.state()
    whole.reset()
    assert whole.state() == ResistanceFilter(PACK).state()


@pytest.mark.parametrize(
    "state", [{}, {"mean": [0, 0, 0]}, {"mean": "x", "cov": 1, "count": 1, "last_s": None}]
)
def test_a_broken_checkpoint_is_refused(state: dict[str, Any]) -> None:
    battery = fed([1.0] * 6)
    with pytest.raises(InputError, match="resistance filter"):
        battery.restore(state)
    assert battery.evidence_count == 6


def test_time_running_backward_is_refused() -> None:
    battery = fed([1.0] * 6)
    with pytest.raises(InputError) as caught:
        battery.step(**trip(0.0, 1.0))
    assert caught.value.field == "event_s"


def test_another_chemistry_stays_unknown() -> None:
    battery = ResistanceFilter(msgspec.structs.replace(PACK, chemistry="LFP"))
    assert battery.step(**trip(0.0, 1.0)) == "unsupported_chemistry"
    for answer in (battery.estimate(), battery.level()):
        assert answer.validity == "unknown"
        assert answer.reasons == ("unsupported_chemistry",)


@pytest.mark.data
def test_the_bmw_i3_answers_something_sane(public_data: Path) -> None:
    """53 drives in a year, 0 to 31 degC: a younger than year-old change of a few percent."""
    samples = pl.read_parquet(public_data / "bmw_i3_trips" / "trips_1hz.parquet")
    index = pl.read_parquet(public_data / "bmw_i3_trips" / "trips.parquet")
    starts = dict(index.select("trip_id", pl.col("start_time").dt.epoch("s")).iter_rows())
    parts = {str(key[0]): part for key, part in samples.group_by("trip_id")}
    battery = ResistanceFilter(describe("bmw-i3-60ah").battery)
    accepted = 0
    for name in sorted(parts, key=lambda key: starts[key]):
        accepted += battery.step(event_s=starts[name], **measured(parts[name])) == ""
    growth, level = battery.estimate(), battery.level()
    assert accepted >= 45
    assert growth.value == pytest.approx(1.0, abs=0.1)
    assert growth.low is not None
    assert growth.high is not None
    assert 0.6 < growth.low < growth.high < 1.5
    assert level.value is not None
    assert 0.6 < level.value < 1.0


def measured(part: pl.DataFrame) -> dict[str, float]:
    """Incremental resistance from one-second current steps, by least squares."""
    columns = ("current_A", "voltage_V", "temperature_C", "soc")
    part = part.drop_nulls(columns)
    current, voltage, degc, soc = (part[name].cast(pl.Float64).to_numpy() for name in columns)
    change, moved = np.diff(current), np.diff(voltage)
    used = np.abs(change) > 6.0
    weight = change[used] ** 2
    return {
        "resistance_ohm": float(change[used] @ moved[used] / weight.sum()),
        "soc": float(np.average(soc[1:][used], weights=weight)),
        "temperature_degc": float(np.average(degc[1:][used], weights=weight)),
        "steps": float(used.sum()),
    }
