"""Packed values come back; what cannot be packed is named."""

import math
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.sql import ClauseElement

from evitals.errors import InputError
from evitals.fleet import apply, codec, days, queries
from evitals.fleet.open import FILE_NAME, open_store
from evitals.fleet.records import Batch, ModelRecord, PredictionRecord, TripRecord
from evitals.fleet.sqlite import SqliteDialect
from evitals.fleet.statement import Statement

MODEL = ModelRecord(name="m", version="1", digest="ab")


COUNTS = st.lists(st.integers(0, 2**40), max_size=4)
OPTIONAL_VALUES = st.tuples(
    *(
        st.none() | st.floats(0.0, 2.0)
        if name not in codec._CAPACITIES
        else st.none() | st.floats(0.001, 1e6)
        for name in codec.OPTIONAL
    )
)
"""The eight optional fields of an answer."""


@given(st.lists(st.integers(0, 2**70)))
def test_varints_come_back(counts: list[int]) -> None:
    packed = b"".join(map(codec.varint, counts))
    cursor = codec.Cursor(packed)
    assert [cursor.varint() for _ in counts] == counts
    assert cursor.at == len(packed)


@given(st.integers(0, 127))
def test_small_numbers_take_one_byte(count: int) -> None:
    assert len(codec.varint(count)) == 1


def packed_of(records: list[PredictionRecord]) -> list[bytes]:
    return codec.pack_answers(
        np.array([codec.head(3 + k, r.status) for k, r in enumerate(records)]),
        np.array([700 * k for k in range(len(records))]),
        np.array([r.scored_s - (r.event_s or 0) for r in records]),
        np.array([r.evidence_count for r in records]),
        codec.optional_values(records),
    )


@given(st.lists(st.tuples(OPTIONAL_VALUES, st.integers(-(2**33), 2**33)), min_size=1, max_size=9))
def test_answers_packed_together_come_back_and_equal_those_packed_alone(
    drawn: list[tuple[tuple[float | None, ...], int]],
) -> None:
    trip = a_trip(random.Random(1), 0)
    records = [
        msgspec.structs.replace(
            an_answer(trip), **dict(zip(codec.OPTIONAL, values, strict=True)),
            scored_s=(trip.event_s or 0) + age, evidence_count=abs(age),
        )
        for values, age in drawn
    ]  # fmt: skip
    together = packed_of(records)
    for k, (record, blob) in enumerate(zip(records, together, strict=True)):
        fields, model, reasons = codec.unpack_answer(blob, trip.event_s)
        assert (model, reasons) == (3 + k, 700 * k)
        assert msgspec.structs.replace(record, **fields) == codec.rounded(record)
    assert packed_of(records[:1]) == together[:1]


@given(st.lists(st.integers(0, 2**40)), st.lists(st.integers(0, 2**40)))
def test_members_are_appended_without_reading(first: list[int], more: list[int]) -> None:
    packed = codec.pack_members(first) + codec.pack_members(more)
    assert codec.unpack_members(packed) == first + more


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=9), COUNTS)
def test_details_packed_together_come_back(durations: list[float], sequences: list[int]) -> None:
    rows = [
        codec.TripDetail("charge", True, False, sequence, 1, 2, duration_s, b"\x01\x02" * k)
        for k, (duration_s, sequence) in enumerate(zip(durations, [3, *sequences], strict=False))
    ]
    packed = codec.pack_details(
        np.array([codec.flags_of(r.kind, r.event_assumed, r.continues, r.sequence) for r in rows]),
        np.array([r.origin for r in rows]),
        np.array([r.findings for r in rows]),
        np.array([r.duration_s for r in rows]),
        [r.features for r in rows],
    )
    assert [codec.unpack_detail(blob) for blob in packed] == rows


@pytest.mark.parametrize("duration_s", [-1.0, math.nan, math.inf])
def test_a_duration_that_cannot_be_is_named(duration_s: float) -> None:
    one = np.array([1])
    with pytest.raises(InputError, match="duration_s"):
        codec.pack_details(one, one, one, np.array([duration_s]), [b""])


def test_a_rounded_answer_stays_as_it_is() -> None:
    record = an_answer(a_trip(random.Random(1), 0))
    once = codec.rounded(record)
    assert once != record
    assert codec.rounded(once) == once


@pytest.mark.parametrize("digest", ["", "xyz", "AB" * 16, "ab" * 4 + "a", "ab" * 7, "ab " * 16])
def test_what_is_no_digest_is_named(digest: str) -> None:
    with pytest.raises(InputError, match=r"trips\.digest"):
        codec.digest_bytes("trips.digest", digest)


def a_trip(rng: random.Random, number: int) -> TripRecord:
    return TripRecord(
        vehicle_id=f"v{rng.randrange(100)}", battery_id="1", digest=rng.randbytes(16).hex(),
        sequence=0, kind="drive", event_s=1_760_000_000 + number * 300, event_assumed=False,
        continues=False, duration_s=1370.0, source="bdf", file_name=f"file {number // 20}",
        findings=(), features=rng.randbytes(100),
    )  # fmt: skip


def an_answer(trip: TripRecord) -> PredictionRecord:
    return PredictionRecord(
        vehicle_id=trip.vehicle_id, battery_id="1", trip_digest=trip.digest, event_s=trip.event_s,
        scored_s=(trip.event_s or 0) + 500_000, kind="drive", soh=0.91234, soh_low=0.88,
        soh_high=0.9367, capacity_bms_ah=61.912, capacity_ocv_ah=60.93, resistance_growth=1.43,
        reference_sop_w=101_234.0, risk_score=0.2765, status="Healthy", evidence_count=300,
        reasons=("no_rest",), model=MODEL,
    )  # fmt: skip


def test_rows_keep_their_budget(tmp_path: Path) -> None:
    rng = random.Random(5)
    store, count = open_store(tmp_path), 12_000
    for start in range(0, count, 1000):
        trips = tuple(a_trip(rng, start + k) for k in range(1000))
        store.submit(Batch(trips=trips, predictions=tuple(map(an_answer, trips)))).result()
    sizes = {size.part: size.bytes / count for size in store.sizes() if size.part != "other"}
    store.close()
    # Bytes a row are KB per 1,000 rows: the worst case of an answer, and a trip without
    # its 100 bytes of features and 16 of digest.
    assert 25 < sizes["prediction"] <= 35
    assert 116 < sizes["audit"] <= 116 + 45


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (lambda: apply._trips_alike(3), "trips_digest"),
        (lambda: queries.known_trips_query([b"\0" * 16]), "trips_digest"),
        (lambda: days._answers(3), "PRIMARY KEY"),
        (lambda: days._FIND_DAY, "PRIMARY KEY"),
    ],
)
def test_look_ups_use_an_index(
    tmp_path: Path, query: Callable[[], ClauseElement], index: str
) -> None:
    open_store(tmp_path).close()
    statement = Statement(SqliteDialect.core, query())
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    values = {"number": 1, "on": 1, "prefix": b"", "digest": b""} | statement.fixed
    rows = connection.execute(
        f"EXPLAIN QUERY PLAN {statement.sql}", [values[name] for name in statement.names]
    ).fetchall()
    connection.close()
    plan = " ".join(row[3] for row in rows)
    assert index in plan
    assert "SCAN" not in plan
