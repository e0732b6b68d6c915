"""A verdict follows from the runs; the report says so."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import report
from benchmarks.result import Bar, Row, Scale, alternate

positive = st.floats(min_value=1e-6, max_value=1e6)


def row(ours: list[float], reference: list[float] | None = None, **fields: Any) -> Row:
    return Row(claim="c", quantity="q", unit="u", ours=ours, reference=reference or [], **fields)


def test_lower_is_better_by_default() -> None:
    made = row([1.0, 2.0, 9.0], [20.0, 8.0, 7.0], bar=Bar(of="ratio", bound=4.0))
    assert made.median == 2.0
    assert made.ratio == 4.0
    assert made.met is True


def test_higher_is_better_where_said() -> None:
    made = row([10.0], [40.0], better="higher", bar=Bar(of="ratio", bound=1.0))
    assert made.ratio == 0.25
    assert made.met is False


@pytest.mark.parametrize(
    ("better", "ours", "met"),
    [("lower", 0.2, True), ("lower", 0.21, False), ("higher", 0.2, True), ("higher", 0.19, False)],
)
def test_a_value_against_its_bar(better: Any, ours: float, met: bool) -> None:
    assert row([ours], better=better, bar=Bar(of="value", bound=0.2)).met is met


def test_a_ratio_without_another_way_is_not_met() -> None:
    assert row([1.0], bar=Bar(of="ratio", bound=1.0)).met is False
    assert row([1.0]).met is None
    assert row([1.0]).ratio is None


@given(st.lists(positive, min_size=1), st.lists(positive, min_size=1))
def test_swapping_the_ways_inverts_the_ratio(ours: list[float], theirs: list[float]) -> None:
    one, other = row(ours, theirs).ratio, row(theirs, ours).ratio
    assert one is not None
    assert other is not None
    assert math.isclose(one * other, 1.0)


def test_ways_are_run_in_turn_after_one_uncounted_run() -> None:
    calls: list[str] = []

    def way(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    found = alternate([lambda: way("a"), lambda: way("b")], 3)
    assert calls == ["a", "b"] * 4
    assert found == [[3.0, 5.0, 7.0], [4.0, 6.0, 8.0]]


def test_the_table_names_what_is_below_its_bar() -> None:
    rows = [
        row([3.0], [3.0], bar=Bar(of="ratio", bound=2.0, goal=5.0), note="because"),
        row([0.1], bar=Bar(of="value", bound=0.2)),
    ]
    head, _, below, reached, *notes = report.table(rows).splitlines()
    assert head.startswith("claim")
    assert below.endswith("BELOW")
    assert ">= 2x (goal 5)" in below
    assert reached.endswith("ok")
    assert notes == ["", "- c, q: because"]


def test_the_file_keeps_claims_measured_before(tmp_path: Path) -> None:
    path = tmp_path / "results" / "pace.json"
    old = Row(claim="old", quantity="q", unit="u", ours=[1.0, 5.0, 2.0])
    report.write(path, [old, row([1.0])], {"cores": 2}, quick=True)
    report.write(path, [row([7.0], [14.0])], {"cores": 4}, quick=False)
    kept, new = json.loads(path.read_text())["rows"]
    assert (kept["claim"], kept["median"], kept["spread"]) == ("old", 2.0, [1.0, 5.0])
    assert (new["claim"], new["ours"], new["ratio"]) == ("c", [7.0], 2.0)
    assert (new["machine"]["cores"], new["quick"]) == (4, False)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.01234, "0.0123"), (42.19, "42.2"), (18006.4, "18,006")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert report.number(value) == text


def test_quick_shrinks_sizes_not_runs(tmp_path: Path) -> None:
    assert Scale(folder=tmp_path, quick=True).pick(100, 10) == 10
    assert Scale(folder=tmp_path).pick(100, 10) == 100
    assert Scale(folder=tmp_path, quick=True).runs >= 5
