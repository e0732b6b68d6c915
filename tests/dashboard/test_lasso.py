"""The lasso: which vehicles lie inside, and what is no polygon."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evitals.dashboard.feed import Feed
from evitals.dashboard.frame import ROW, SOC_UNKNOWN, UNKNOWN, Rows
from evitals.dashboard.lasso import AXES, axis_values, parse
from evitals.errors import InputError

from .made_up import MemoryStore, as_store, latest

ROOT = Path(__file__).parents[2]


def rows(*values: tuple[int, int]) -> Rows:
    """Rows of scaled (soh, sop_ratio)."""
    table = np.zeros(len(values), dtype=ROW)
    table["soh"] = [v[0] for v in values]
    table["sop_ratio"] = [v[1] for v in values]
    return table


share = st.integers(0, 12_000)


@given(st.lists(st.tuples(share, share), max_size=40), share, share, share, share)
def test_a_rectangle_holds_what_lies_between_its_sides(
    values: list[tuple[int, int]], x0: int, x1: int, y0: int, y1: int
) -> None:
    # Sides between the steps of the columns: nothing lies on them.
    left, right = sorted((x0 / 1e4 + 5e-5, x1 / 1e4 + 5e-5))
    low, high = sorted((y0 / 1e4 + 5e-5, y1 / 1e4 + 5e-5))
    lasso = parse(f"soh,sop_ratio;{left},{low};{right},{low};{right},{high};{left},{high}")
    expected = [left < x / 1e4 < right and low < y / 1e4 < high for x, y in values]
    assert lasso.inside(rows(*values)).tolist() == expected


def test_a_concave_polygon_leaves_its_bay_out() -> None:
    lasso = parse("soh,sop_ratio;0,0;1,0;1,1;0.5,0.2;0,1")
    assert lasso.inside(rows((5000, 1000), (5000, 6000), (9000, 6000))).tolist() == [
        True,
        False,
        True,
    ]


def test_unknown_values_lie_nowhere() -> None:
    lasso = parse("soh,sop_ratio;-9,-9;9,-9;9,9;-9,9")
    assert lasso.inside(rows((UNKNOWN, 5000), (5000, UNKNOWN), (5000, 5000))).tolist() == [
        False,
        False,
        True,
    ]


def test_every_axis_is_read_in_its_own_unit() -> None:
    table = rows((9000, 8000))
    table["soh_low"], table["soh_high"], table["soc"] = 8800, 9150, 101
    table["risk_score"], table["evidence_count"] = 1234, 17
    expected = [0.9, 0.8, 0.1234, 0.035, 17.0, 0.505]
    assert [axis_values(table, axis)[0] for axis in AXES] == pytest.approx(expected)
    table["soc"] = SOC_UNKNOWN
    assert np.isnan(axis_values(table, "soc")[0])


def test_the_page_knows_the_same_axes() -> None:
    text = (ROOT / "web" / "src" / "live" / "axes.ts").read_text(encoding="utf-8")
    found = re.search(r"AXIS_NAMES = \[(.*?)\]", text)
    assert found is not None
    assert tuple(re.findall(r'"(\w+)"', found[1])) == AXES


@pytest.mark.parametrize(
    "text",
    [
        "soh",
        "soh,weight;0,0;1,0;1,1",
        "soh,sop_ratio;0,0;1,1",
        "soh,sop_ratio;0,0;1,x;1,1",
        "soh,sop_ratio;0,0;1,0,5;1,1",
        "soh,sop_ratio;0;1;2",
        "soh,sop_ratio;0,0;nan,0;1,1",
        "soh,sop_ratio;0,0;1e9,0;1,1",
        "soh,sop_ratio" + ";0.5,0.5" * 401,
    ],
)
def test_what_is_no_polygon_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^lasso"):
        parse(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        lasso = parse(text)
    except InputError:
        return
    assert len(lasso.corners) >= 3


def test_a_feed_names_the_vehicles_inside() -> None:
    store = MemoryStore(latest("a", soh=0.75), latest("b", soh=0.95), latest("c", soh=None))
    lasso = parse("soh,risk_score;0.5,-1;0.8,-1;0.8,2;0.5,2")
    assert Feed(as_store(store)).chosen(lasso) == {"a"}
