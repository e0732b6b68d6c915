"""Requests that come together: one batch, each its own reply, nobody harmed by a neighbour."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import msgspec
import pytest

from evitals.errors import EvitalsError, InputError, StoreBusy, StoreError
from evitals.fleet.records import Batch
from evitals.service.gathering import MOST, Gathering
from evitals.service.predict import Answers, Known, Predictor, Rows
from evitals.settings import Settings

FAULTY = "V13"
"""The vehicle whose rows cannot be stored."""


def body(number: int, **changes: Any) -> bytes:
    fields = {"vehicle_id": f"V{number}", "discharge_time_s": 3600.0, "avg_current": -1.8}
    return msgspec.json.encode(fields | changes)


class Bench:
    """A gathering over a writer that commits when told to."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.batches: list[Batch] = []
        self.futures: list[Future[None]] = []
        self.committed: list[Batch] = []
        self.at_once = at_once
        self.predictor = Predictor(Settings())
        self.gathering = Gathering(
            known=lambda name: (None, None),
            answer=self.answer,
            submit=self.submit,
            committed=self.committed.append,
        )

    def answer(self, rows: Rows, known: Any) -> Answers:
        if len(rows) > 1 and "V666" in rows.vehicle_ids:
            raise RuntimeError("a group that cannot be answered")
        return self.predictor.answer(rows, known)

    def submit(self, batch: Batch) -> "Future[None]":
        self.batches.append(batch)
        self.futures.append(Future())
        if self.at_once:
            self.end(len(self.futures) - 1)
        return self.futures[-1]

    def end(self, number: int) -> None:
        """The end of a batch: a store error for that of the faulty vehicle."""
        if FAULTY in self.vehicles(number):
            self.futures[number].set_exception(StoreError("it does not fit"))
        else:
            self.futures[number].set_result(None)

    def vehicles(self, number: int) -> list[str]:
        rows = self.batches[number].answered
        assert rows is not None
        return rows.vehicle_ids

    def ask(self, number: int, **changes: Any) -> "asyncio.Task[bytes]":
        return asyncio.create_task(self.gathering.reply(body(number, **changes)))


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 20.0))


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def vehicle_of(reply: bytes) -> str:
    return str(msgspec.json.decode(reply)["vehicle_id"])


def test_requests_of_one_turn_are_one_batch_and_wait_for_its_commit() -> None:
    async def work() -> None:
        bench = Bench()
        tasks = [bench.ask(n) for n in range(9)]
        await turns()
        assert len(bench.batches) == 1
        assert not any(task.done() for task in tasks)
        assert bench.committed == []
        bench.end(0)
        replies = await asyncio.gather(*tasks)
        assert [vehicle_of(reply) for reply in replies] == [f"V{n}" for n in range(9)]
        assert bench.committed == bench.batches

    run(work)


def test_what_comes_while_the_writer_is_busy_is_the_next_group() -> None:
    async def work() -> None:
        bench = Bench()
        first = bench.ask(0)
        await turns()
        others = [bench.ask(n) for n in range(1, 4)]
        await turns()
        assert len(bench.batches) == 1
        bench.end(0)
        await first
        assert bench.vehicles(1) == ["V1", "V2", "V3"]
        bench.end(1)
        await asyncio.gather(*others)
        assert len(bench.batches) == 2

    run(work)


def test_no_group_is_longer_than_the_most() -> None:
    async def work() -> None:
        bench = Bench(at_once=True)
        await asyncio.gather(*(bench.ask(n, vehicle_id="V1") for n in range(2 * MOST + 5)))
        sizes = [len(bench.vehicles(n)) for n in range(len(bench.batches))]
        assert (sum(sizes), max(sizes)) == (2 * MOST + 5, MOST)

    run(work)


def test_after_many_the_next_group_waits_for_those_who_ask_again() -> None:
    async def work() -> None:
        bench = Bench(at_once=True)
        for _ in range(4):
            await asyncio.gather(*(bench.ask(n) for n in range(20, 40)))
        assert [len(bench.vehicles(n)) for n in range(len(bench.batches))] == [20] * 4
        alone = await bench.ask(7)  # nobody else asks: it waits for the pause, not for ever
        assert vehicle_of(alone) == "V7"

    run(work)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"avg_current": 0.0}, "no_current"),
        ({"avg_voltage": 400.0}, "wrong_level"),
        ({"avg_current": "x"}, "invalid"),
        ({"vehicle_id": "no id!"}, "invalid"),
    ],
)
def test_a_refused_request_harms_no_neighbour(changes: dict[str, Any], reason: str) -> None:
    async def work() -> None:
        bench = Bench(at_once=True)
        tasks = [bench.ask(0), bench.ask(1, **changes), bench.ask(2)]
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(ends[1], InputError)
        assert ends[1].reason == reason
        assert [vehicle_of(end) for end in ends if isinstance(end, bytes)] == ["V0", "V2"]
        assert len(bench.batches) == 1

    run(work)


def test_a_group_of_refused_requests_stores_nothing() -> None:
    async def work() -> None:
        bench = Bench()
        tasks = [bench.ask(n, avg_current=0.0) for n in range(3)]
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, InputError) for end in ends)
        assert bench.batches == []

    run(work)


@pytest.mark.parametrize("culprit", [FAULTY, "V666"])
def test_where_a_group_fails_each_stands_or_falls_for_itself(culprit: str) -> None:
    async def work() -> None:
        bench = Bench(at_once=True)
        tasks = [bench.ask(0), bench.ask(1, vehicle_id=culprit), bench.ask(2)]
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [vehicle_of(end) for end in (ends[0], ends[2]) if isinstance(end, bytes)] == [
            "V0",
            "V2",
        ]
        assert isinstance(ends[1], StoreError if culprit == FAULTY else bytes)
        assert vehicle_of(await bench.ask(3)) == "V3"

    run(work)


def test_a_full_store_is_told_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        bench = Bench(at_once=True)

        def refuse(batch: Batch) -> "Future[None]":
            raise StoreBusy("full")

        monkeypatch.setattr(bench.gathering, "_submit", refuse)
        ends = await asyncio.gather(*(bench.ask(n) for n in range(5)), return_exceptions=True)
        assert all(isinstance(end, StoreBusy) for end in ends)
        monkeypatch.setattr(bench.gathering, "_submit", bench.submit)
        assert vehicle_of(await bench.ask(1)) == "V1"

    run(work)


def test_who_leaves_is_stored_and_keeps_nobody_waiting() -> None:
    async def work() -> None:
        bench = Bench()
        first, leaver, stayer = (bench.ask(n) for n in range(3))
        await turns()
        late = bench.ask(3)
        leaver.cancel()
        await turns()
        late.cancel()
        await turns()
        bench.end(0)
        assert [vehicle_of(reply) for reply in await asyncio.gather(first, stayer)] == ["V0", "V2"]
        assert bench.vehicles(0) == ["V0", "V1", "V2"]
        assert len(bench.batches) == 1

    run(work)


def test_a_vehicle_that_cannot_be_read_harms_itself_only() -> None:
    async def work() -> None:
        bench = Bench(at_once=True)

        def known(name: str) -> Known:
            if name == "V1":
                raise StoreError("cannot be read")
            return None, None

        bench.gathering._known = known
        ends = await asyncio.gather(*(bench.ask(n) for n in range(3)), return_exceptions=True)
        assert [isinstance(end, EvitalsError) for end in ends] == [False, True, False]

    run(work)
