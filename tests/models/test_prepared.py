"""Prepared data: only training is disturbed and scaled on; the record replays."""

from dataclasses import replace
from typing import get_args

import msgspec
import numpy as np
import pytest

from evitals.errors import InputError
from evitals.models.prepared import dump_record, load_record, prepare, prepare_all, replay
from evitals.models.recipe import Recipe
from evitals.models.split import Role, choose
from evitals.models.steps import Assume, Column, Drift, Ema, Noise, Resample
from evitals.telemetry.celltest import CellTest
from tests.models.conftest import Make, made

RECIPE = Recipe(
    inputs=("soc", "current_a", "slow", "bent"),
    steps=(
        Ema(column="current_a", tau_s=30.0, output="slow"),
        Column(formula="asinh(current_a / 0.5)", output="bent"),
    ),
    disturb=(
        Noise(column="current_a", sigma=0.02),
        Drift(column="current_a", sigma=0.05, counts_ah=3.0),
    ),
)
TESTS = [made(name, profile=name) for name in ("city", "road", "steep", "cold")]
SPLIT = choose(TESTS, "profile", training=["city", "road"], validation=["steep"], test=["cold"])


def test_sides_inputs_and_target() -> None:
    ready = prepare_all(RECIPE, TESTS, SPLIT, copies=2)
    assert [len(s) for s in (ready.training, ready.validation, ready.test)] == [6, 1, 1]
    one = ready.test[0]
    assert one.x.shape == (400, 4)
    assert one.x[:, 1].tolist() == TESTS[3].columns["current_a"].tolist()
    assert one.y.tolist() == TESTS[3].columns["voltage_v"].tolist()
    assert one.dt_s.tolist() == [0.0] + [1.0] * 399


def test_filters_and_formulas_see_the_disturbed_sensor() -> None:
    clean, disturbed = prepare(RECIPE, TESTS[0], "training", copies=1)[0]
    assert (clean.copy, disturbed.copy) == (0, 1)
    current = disturbed.columns["current_a"]
    assert not np.array_equal(current, clean.columns["current_a"])
    assert disturbed.columns["bent"] == pytest.approx(np.arcsinh(current / 0.5))
    assert disturbed.y.tolist() == clean.y.tolist()


@pytest.mark.parametrize("role", [r for r in get_args(Role) if r != "training"])
def test_scored_data_are_never_disturbed(role: Role) -> None:
    with pytest.raises(InputError, match=f"would disturb {role} data"):
        prepare(RECIPE, TESTS[0], role, copies=1)
    ready = prepare_all(RECIPE, TESTS, SPLIT, copies=3)
    assert {one.copy for one in (*ready.validation, *ready.test)} == {0}
    with pytest.raises(InputError, match="needs"):
        prepare(Recipe(inputs=("soc",)), TESTS[0], "training", copies=1)


def test_scaling_is_of_the_training_alone() -> None:
    ready = prepare_all(RECIPE, TESTS, SPLIT)
    hotter = [*TESTS[:2], *(_shifted(one) for one in TESTS[2:])]
    split = choose(
        hotter, "profile", training=["city", "road"], validation=["steep"], test=["cold"]
    )
    assert prepare_all(RECIPE, hotter, split).scaling == ready.scaling
    trained = np.vstack([one.x for one in ready.training])
    assert ready.scaling.offset == pytest.approx(trained.mean(axis=0).tolist())


def _shifted(test: CellTest) -> CellTest:
    return replace(
        test, columns={**test.columns, "current_a": test.columns["current_a"] - 9.0}, digest=""
    )


def test_the_record_replays_to_the_same_digests() -> None:
    ready = prepare_all(RECIPE, TESTS, SPLIT, copies=2)
    record = load_record(dump_record(ready.record))
    assert record == ready.record
    again = replay(record, TESTS[::-1])
    assert [one.digest for one in again.training] == [one.digest for one in ready.training]
    digests = {entry.test_id: entry.input_digest for entry in record.entries}
    assert digests == {one.test_id: one.digest for one in TESTS}
    assert {entry.sampling for entry in record.entries} == {"simulated"}


def test_a_changed_test_recipe_or_result_is_seen() -> None:
    ready = prepare_all(RECIPE, TESTS, SPLIT, copies=1)
    with pytest.raises(InputError, match="has changed since"):
        replay(ready.record, [_shifted(TESTS[0]), *TESTS[1:]])
    with pytest.raises(InputError, match="cold' is absent"):
        replay(ready.record, TESTS[:3])
    edited = msgspec.structs.replace(RECIPE, seed=9)
    with pytest.raises(InputError, match="the record was edited"):
        replay(msgspec.structs.replace(ready.record, recipe=edited), TESTS)
    entries = (
        msgspec.structs.replace(ready.record.entries[0], output_digest="0" * 64),
        *ready.record.entries[1:],
    )
    with pytest.raises(InputError, match="not 000000000000"):
        replay(msgspec.structs.replace(ready.record, entries=entries), TESTS)
    with pytest.raises(InputError, match="record: "):
        load_record(b'{"recipe": 1}')


def test_constant_and_assumed_columns_are_flagged_or_refused(make: Make) -> None:
    recipe = Recipe(
        inputs=("soc", "temperature_degc"),
        assume=(Assume(column="temperature_degc", value=24.0, why="room temperature"),),
    )
    bare = [
        replace(
            one,
            columns={k: v for k, v in one.columns.items() if k != "temperature_degc"},
            digest="",
        )
        for one in TESTS
    ]
    split = choose(bare, "profile", training=["city", "road"], test=["cold"])
    with pytest.raises(InputError, match=r"temperature_degc: 24\.0 is constant"):
        prepare_all(recipe, bare, split)
    mixed = [TESTS[0], *bare[1:]]
    split = choose(mixed, "profile", training=["city", "road"], test=["cold"])
    ready = prepare_all(recipe, mixed, split)
    assert [(test_id, f.code) for test_id, f in ready.findings] == [
        ("road", "assumed"), ("cold", "assumed"),
    ]  # fmt: skip
    assert [e.assumed for e in ready.record.entries] == [
        (), ("temperature_degc",), ("temperature_degc",),
    ]  # fmt: skip
    flat = replace(
        TESTS[3], columns={**TESTS[3].columns, "temperature_degc": np.full(400, 5.0)}, digest=""
    )
    one, _ = prepare(recipe, flat, "test")
    assert [f.code for f in one[0].findings] == ["constant"]


def test_mixed_rates_are_refused_unless_resampled(make: Make) -> None:
    tests = [make("fast", profile="fast", rows=2000, step_s=0.1), make("slow", profile="slow")]
    split = choose(tests, "profile", training=["fast"], test=["slow"])
    with pytest.raises(InputError, match="different rates mixed"):
        prepare_all(RECIPE, tests, split)
    even = msgspec.structs.replace(RECIPE, resample=Resample(step_s=1.0))
    ready = prepare_all(even, tests, split)
    assert np.diff(ready.training[0].columns["time_s"]) == pytest.approx(1.0)


@pytest.mark.data
def test_real_drives_are_made_ready(real_drives: list[CellTest]) -> None:
    profiles = [f"Mixed{n}" for n in range(1, 8)]
    split = choose(real_drives, "profile", training=profiles, validation=["Mixed8"])
    ready = prepare_all(RECIPE, real_drives, split)
    assert {one.profile for one in ready.validation} == {"Mixed8"}
    assert all(one.columns["time_s"][-1] > 900.0 for one in ready.training)
    current = ready.scaling.columns.index("current_a")
    assert -3.0 < ready.scaling.offset[current] < 0.0
