"""The wire format: what goes in comes out, to the column's resolution, and nothing else does."""

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evitals.dashboard.frame import (
    DELTA,
    HEADER,
    ROW,
    SNAPSHOT,
    SOC_UNKNOWN,
    UNKNOWN,
    decode,
    encode,
    row_of,
    tally,
)

from .made_up import latest

assert ROW.names is not None
NAMES = ROW.names
ids = st.lists(st.text(min_size=1, max_size=64), max_size=20)


def frame_of(
    rows: np.ndarray,
    new: list[str],
    index: np.ndarray | None = None,
    groups: Sequence[str] = (),
) -> bytes:
    by_status, mean = tally(rows)
    kind = SNAPSHOT if index is None else DELTA
    return encode(
        kind, 7, rows, new, index=index, vehicles=len(rows), by_status=by_status,
        soh_mean=mean, sent_s=1.5, new_groups=groups,
    )  # fmt: skip


@given(ids, st.booleans(), st.randoms(use_true_random=False))
def test_decoding_gives_back_what_was_encoded(
    new: list[str], is_delta: bool, random: Random
) -> None:
    rows = np.zeros(len(new), dtype=ROW)
    for name in NAMES:
        low, high = np.iinfo(ROW[name]).min, np.iinfo(ROW[name]).max
        rows[name] = [random.randint(low, high) for _ in new]
    rows["status"] %= 4
    index = np.array([random.randrange(2**32) for _ in new], dtype=np.int64) if is_delta else None
    groups = new[::2]
    read = decode(frame_of(rows, new, index, groups))
    assert (read["ids"], read["groups"]) == (new, groups)
    assert read["kind"] == (DELTA if is_delta else SNAPSHOT)
    assert (read["sequence"], read["sent_s"], read["vehicles"]) == (7, 1.5, len(new))
    for name in NAMES:
        np.testing.assert_array_equal(read["columns"][name], rows[name])
    if index is not None:
        np.testing.assert_array_equal(read["index"], index)


def test_columns_start_on_their_own_boundary() -> None:
    rows = np.zeros(3, dtype=ROW)
    assert HEADER.size == 64
    size = 64 + 3 * 4 * 2 + 5 * 8 + 2 * 8 + 4 + 4
    assert len(frame_of(rows, [])) == size


@given(st.floats(-1.0, 3.0))
def test_a_fraction_keeps_four_decimals(value: float) -> None:
    row = np.array([row_of(latest("a", soh=value, risk_score=value))], dtype=ROW)
    assert row["soh"][0] / 10_000 == pytest.approx(value, abs=0.5001e-4)
    assert row["risk_score"][0] / 10_000 == pytest.approx(value, abs=0.5001e-4)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_unknown_stays_unknown(value: float | None) -> None:
    record = latest(
        "a", soh=value, soh_low=value, soh_high=value, reference_sop_w=value, risk_score=value,
        soc=value, event_s=None, status="Unknown",
    )  # fmt: skip
    row = np.array([row_of(record)], dtype=ROW)[0]
    for name in ("soh", "soh_low", "soh_high", "sop_ratio", "risk_score"):
        assert row[name] == UNKNOWN
    assert (row["soc"], row["event_s"]) == (SOC_UNKNOWN, 0)


def test_power_is_a_ratio_only_where_rated_power_is_known() -> None:
    with_rating = np.array([row_of(latest("a", reference_sop_w=45e3))], dtype=ROW)[0]
    without = np.array([row_of(latest("a", rated_power_w=None))], dtype=ROW)[0]
    assert with_rating["sop_ratio"] == 4500
    assert without["sop_ratio"] == UNKNOWN


def test_out_of_range_numbers_are_held_at_the_columns_ends() -> None:
    row = row_of(latest("a", soh=99.0, risk_score=-99.0, evidence_count=10**6, event_s=2**40))
    named = dict(zip(NAMES, row, strict=True))
    assert (named["soh"], named["risk_score"]) == (32767, -32767)
    assert (named["evidence_count"], named["event_s"]) == (65535, 0)


@given(st.binary(max_size=200))
def test_rubbish_is_no_frame(raw: bytes) -> None:
    with pytest.raises(ValueError, match="frame"):
        decode(raw)


def test_tally_leaves_the_unknown_out_of_the_mean() -> None:
    records = [
        latest("a", soh=0.8),
        latest("b", soh=0.9, status="Monitor"),
        latest("c", soh=None, status="Unknown"),
    ]
    counts, mean = tally(np.array([row_of(r) for r in records], dtype=ROW))
    assert counts == (1, 1, 0, 1)
    assert mean == pytest.approx(0.85)
    assert math.isnan(tally(np.zeros(0, dtype=ROW))[1])
