"""Splits: whole groups, no rows, no leak under any name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.errors import InputError
from evitals.models.split import choose, folds, leaks
from evitals.telemetry.celltest import CellTest
from tests.models.conftest import made


def campaign() -> list[CellTest]:
    return [
        made(f"{cell}-{profile}", cell, profile, rows=300 + 40 * k)
        for k, profile in enumerate(("city", "road", "steep"))
        for cell in "ABCD"
    ]


def test_choose_by_each_kind_of_group() -> None:
    tests = campaign()
    split = choose(tests, "profile", training=["city"], validation=["road"], test=["steep"])
    assert {m.profile for m in split.training} == {"city"}
    assert [len(split.members(role)) for role in ("training", "validation", "test")] == [4, 4, 4]
    assert split.same_cell
    by_cell = choose(tests, "cell", training=["A", "B"], test=["C"])
    assert {m.cell for m in by_cell.training} == {"A", "B"}
    assert not by_cell.same_cell
    by_file = choose(tests, "file", training=["A-city"], validation=["A-road"])
    assert by_file.training[0].digest == tests[0].digest
    assert by_file.training[0].samples == 300


@pytest.mark.parametrize("by", ["row", "rows", "sample", "window", "random"])
def test_a_row_split_is_refused_with_the_reason(by: str) -> None:
    with pytest.raises(InputError, match="neighbours are alike") as caught:
        choose(campaign(), by, training=["A"])
    assert caught.value.reason == "row_split"
    with pytest.raises(InputError, match="neighbours are alike"):
        folds(campaign(), by, 3, 0)


def test_wrong_names_are_refused_with_the_nearest() -> None:
    tests = campaign()
    with pytest.raises(InputError, match="did you mean profile"):
        choose(tests, "profil", training=["city"])
    with pytest.raises(InputError, match="did you mean road"):
        choose(tests, "profile", training=["city"], test=["raod"])
    with pytest.raises(InputError, match="is in training too"):
        choose(tests, "cell", training=["A", "B"], test=["B"])
    with pytest.raises(InputError, match="holds no test"):
        choose(tests, "cell", training=[], test=["B"])
    with pytest.raises(InputError, match="nothing to split"):
        choose([], "cell", training=["A"])
    with pytest.raises(InputError, match="name of two tests"):
        choose([tests[0], tests[0]], "file", training=["A-city"])


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["file", "cell", "profile"]), st.integers(2, 4), st.integers(0, 99))
def test_folds_validate_every_group_once(by: str, count: int, seed: int) -> None:
    tests = campaign()
    groups = {"file": 12, "cell": 4, "profile": 3}[by]
    if count > groups:
        with pytest.raises(InputError, match=f"use 2 to {groups}"):
            folds(tests, by, count, seed)
        return
    splits = folds(tests, by, count, seed)
    validated = sorted(m.test_id for split in splits for m in split.validation)
    assert validated == sorted(one.test_id for one in tests)
    for k, split in enumerate(splits):
        assert (split.fold, split.seed) == (k, seed)
        assert split.validation
        name = {"file": "test_id"}.get(by, by)
        trained = {getattr(m, name) for m in split.training}
        assert not trained & {getattr(m, name) for m in split.validation}
        assert len(split.training) + len(split.validation) == len(tests)


def test_folds_depend_on_the_seed_and_not_on_the_order() -> None:
    tests = campaign()
    sides = [
        {tuple(sorted(m.test_id for m in s.validation)) for s in folds(order, "file", 3, seed)}
        for order, seed in ((tests, 1), (tests[::-1], 1), (tests, 2))
    ]
    assert sides[0] == sides[1] != sides[2]


def test_test_groups_are_in_no_fold() -> None:
    for split in folds(campaign(), "profile", 2, 0, test=["steep"]):
        assert {m.profile for m in split.test} == {"steep"}
        assert "steep" not in {m.profile for m in (*split.training, *split.validation)}
    with pytest.raises(InputError, match="give tests of several profiles"):
        folds([made()], "profile", 2, 0)


def test_the_same_content_under_two_names_is_a_leak() -> None:
    first = made("first", rows=2000)
    copy = replace(first, test_id="copy", cell="B", profile="other")
    with pytest.raises(InputError, match="same content as first in training") as caught:
        choose([first, copy], "cell", training=["A"], test=["B"])
    assert caught.value.reason == "leak"
    assert choose([first, copy], "file", training=["first", "copy"])  # twice on one side is none


@pytest.mark.parametrize(("start", "stop"), [(0, 1500), (333, 2000), (700, 1400)])
def test_a_piece_cut_out_of_a_test_is_a_leak(start: int, stop: int) -> None:
    first = made("first", rows=2000)
    columns = {name: values[start:stop] for name, values in first.columns.items()}
    columns["time_s"] = columns["time_s"] - columns["time_s"][0]
    piece = CellTest("piece", "B", "city", columns)
    assert leaks(first, piece) == 1.0
    with pytest.raises(InputError, match="shares 100% of its samples with"):
        choose([first, piece], "file", training=["first"], validation=["piece"])


def test_alike_is_not_the_same() -> None:
    first, second = made("first", rows=4000), made("second", rows=4000)
    assert leaks(first, second) == 0.0
    rest = {**first.columns, "voltage_v": np.full(4000, 4.1)}
    resting = [CellTest(name, name, "rest", rest | {"soc": rest["soc"] * k})
               for k, name in ((1.0, "one"), (0.9, "two"))]  # fmt: skip
    assert choose(resting, "file", training=["one"], test=["two"])


@pytest.mark.data
def test_no_two_real_drives_leak(real_drives: list[CellTest]) -> None:
    split = choose(real_drives[:12], "file", training=[t.test_id for t in real_drives[:6]],
                   test=[t.test_id for t in real_drives[6:12]])  # fmt: skip
    assert split.same_cell
    cut = {name: values[100:1500] for name, values in real_drives[0].columns.items()}
    assert leaks(real_drives[0], CellTest("cut", "x", "y", cut)) == 1.0
