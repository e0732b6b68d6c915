"""A day's sums are the same whether its answers were held in memory or read again."""

import hashlib
import tempfile
import threading
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.fleet.open import open_store
from evitals.fleet.records import Batch, DailyRecord, ModelRecord, PredictionRecord, TripRecord

START_S = 1_760_000_000
SOH = st.none() | st.integers(6000, 10_000).map(lambda n: n / 10_000)
ANSWERS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1), SOH), min_size=1, max_size=25)
"""(trip, vehicle, SoH); the same trip again is answered anew."""


def trip_and_answer(number: int, vehicle: int, soh: float | None) -> Batch:
    digest = hashlib.sha256(f"{vehicle}/{number}".encode()).hexdigest()[:32]
    event_s = None if number == 12 else START_S + (number * 7919 % 13) * 9000
    trip = TripRecord(
        vehicle_id=f"v{vehicle}", battery_id="1", digest=digest, sequence=0, kind="drive",
        event_s=event_s, event_assumed=False, continues=False, duration_s=60.0, source="made_up",
        file_name="", findings=(), features=b"",
    )  # fmt: skip
    prediction = PredictionRecord(
        vehicle_id=f"v{vehicle}", battery_id="1", trip_digest=digest, event_s=event_s,
        scored_s=START_S, kind="drive", soh=soh, soh_low=None, soh_high=None,
        capacity_bms_ah=None, capacity_ocv_ah=None, resistance_growth=None,
        reference_sop_w=None, risk_score=None if soh is None else 1.0 - soh, status="Healthy",
        evidence_count=1, reasons=(), model=ModelRecord(name="m", version="1", digest="d"),
    )  # fmt: skip
    return Batch(trips=(trip,), predictions=(prediction,))


def days(folder: Path, batches: list[Batch], *, reopen: bool) -> list[list[DailyRecord]]:
    """The rollup after all batches; with ``reopen`` nothing is remembered between two."""
    store = open_store(folder)
    for batch in batches:
        if reopen:
            store.close()
            store = open_store(folder)
        store.submit(batch).result()
    found = [store.daily("v0"), store.daily("v1")]
    store.close()
    return found


@settings(max_examples=15, deadline=None)
@given(ANSWERS)
def test_held_days_equal_read_ones(answers: list[tuple[int, int, float | None]]) -> None:
    batches = [trip_and_answer(*answer) for answer in answers]
    with tempfile.TemporaryDirectory() as held, tempfile.TemporaryDirectory() as read:
        assert days(Path(held), batches, reopen=False) == days(Path(read), batches, reopen=True)


def test_a_batch_that_fails_leaves_no_trace_in_the_sums(tmp_path: Path) -> None:
    good = [trip_and_answer(n, 0, 0.9) for n in range(3)]
    bad = trip_and_answer(1, 0, 0.7)
    orphan = msgspec.structs.replace(bad.predictions[0], trip_digest="ee" * 16)
    failing = msgspec.structs.replace(bad, predictions=(*bad.predictions, orphan))
    store = open_store(tmp_path)
    for batch in good[:2]:
        store.submit(batch).result()
    assert store.submit(failing).exception() is not None
    store.submit(good[2]).result()
    means = [day.soh_mean for day in store.daily("v0")]
    store.close()
    assert means == [0.9] * len(means)
    assert means


def test_a_day_pruned_meanwhile_keeps_what_was_summed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    numbers = [n for n in range(12) if START_S + (n * 7919 % 13) * 9000 < START_S + 30_000]
    for number in numbers[:2]:
        store.submit(trip_and_answer(number, 0, 0.9)).result()
    before = store.daily("v0")
    assert store.prune(START_S + 86_400 * 2) > 0
    assert store.daily("v0") == before
    store.submit(trip_and_answer(numbers[2], 0, 0.5)).result()
    after = store.daily("v0")
    store.close()
    assert [day.soh_mean for day in after if day in before] == [0.9] * len(before)


def test_a_group_of_batches_equals_one_by_one(tmp_path: Path) -> None:
    batches = [trip_and_answer(n % 7, n % 2, 0.6 + n / 1000) for n in range(200)]
    batches += [trip_and_answer(100 + n, 0, 0.9) for n in range(90)]
    alone = days(tmp_path / "alone", batches, reopen=False)
    store = open_store(tmp_path / "group")
    gate = threading.Event()
    store.writer.run(lambda: gate.wait(30))
    futures = [store.submit(batch) for batch in batches]
    gate.set()
    for future in futures:
        future.result(10)
    assert store.writer.commits == 1
    assert [store.daily("v0"), store.daily("v1")] == alone
    assert len(store.trips("v0", "1")) == 7 + 90
    store.close()
