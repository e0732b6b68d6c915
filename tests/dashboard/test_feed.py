"""The feed: every browser ends with the store's state, however slow, in bounded memory."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from evitals.dashboard import views
from evitals.dashboard.feed import WINDOW, Feed, Subscriber
from evitals.dashboard.frame import DELTA, ROW, SNAPSHOT, UNKNOWN, decode
from evitals.fleet.records import LatestRecord

from .made_up import MemoryStore, as_store, latest


class Browser:
    """What the page does with frames; refuses a delta that does not follow."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.soh: dict[str, float | None] = {}
        self.sequence = -1
        self.snapshots = 0

    def take(self, raw: bytes) -> None:
        frame = decode(raw)
        if frame["kind"] == SNAPSHOT:
            self.ids, self.soh = [], {}
            self.snapshots += 1
        else:
            assert frame["sequence"] == self.sequence + 1, "a delta was lost"
        self.sequence = frame["sequence"]
        self.ids += frame["ids"]
        for at, value in zip(frame["index"], frame["columns"]["soh"], strict=True):
            self.soh[self.ids[at]] = None if value == UNKNOWN else value / 10_000
        assert len(self.ids) == frame["vehicles"] == sum(frame["by_status"])


async def watched(
    feed: Feed, browser: Browser, subscriber: Subscriber, until: Callable[[], bool]
) -> None:
    async with asyncio.timeout(5):
        frames = feed.watch(subscriber)
        async for raw in frames:
            browser.take(raw)
            subscriber.acknowledge()
            if until():
                break
        await frames.aclose()


def test_a_new_browser_gets_a_snapshot_and_then_what_changes() -> None:
    store = MemoryStore(latest("a", soh=0.9), latest("b", soh=None, status="Unknown"))
    feed = Feed(as_store(store), interval_s=0.01)
    browser, subscriber = Browser(), Subscriber()

    async def play() -> None:
        watching = asyncio.create_task(
            watched(feed, browser, subscriber, lambda: browser.soh.get("c") == 0.7)
        )
        while not browser.snapshots:
            await asyncio.sleep(0.001)
        assert browser.soh == {"a": 0.9, "b": None}
        # The store calls from its writer's thread.
        change = threading.Thread(
            target=store.commit, args=(latest("b", soh=0.81), latest("c", soh=0.7))
        )
        change.start()
        await watching
        change.join()

    asyncio.run(play())
    assert browser.soh == {"a": 0.9, "b": 0.81, "c": 0.7}
    assert browser.snapshots == 1


def test_a_stalled_browser_holds_a_bounded_queue_and_is_resynchronised() -> None:
    store = MemoryStore(*(latest(f"v{i}") for i in range(50)))
    feed = Feed(as_store(store), interval_s=0.001)
    browser, subscriber = Browser(), Subscriber()

    async def play() -> None:
        frames = feed.watch(subscriber)
        browser.take(await anext(frames))
        for step in range(200):  # it acknowledges nothing meanwhile
            store.commit(latest(f"v{step % 50}", soh=0.5), latest(f"new{step}"))
            feed._publish()
            assert len(subscriber.frames) <= WINDOW
        assert subscriber.needs_snapshot
        subscriber.acknowledge()
        browser.take(await anext(frames))
        await frames.aclose()

    asyncio.run(play())
    assert browser.snapshots == 2
    assert len(browser.ids) == 250
    assert {browser.soh[f"v{i}"] for i in range(50)} == {0.5}


def test_no_frame_is_given_beyond_the_window_without_an_acknowledgement() -> None:
    feed = Feed(as_store(MemoryStore(latest("a"))), interval_s=0.001)
    subscriber = Subscriber()

    async def play() -> int:
        given = 0
        frames = feed.watch(subscriber)
        for _ in range(WINDOW):
            await anext(frames)
            given += 1
            feed._publish()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(frames), 0.05)
        return given

    assert asyncio.run(play()) == WINDOW


def test_a_commit_during_loading_wins_over_the_older_row() -> None:
    class Racing(MemoryStore):
        def all_latest(self) -> Iterator[LatestRecord]:
            old = list(self.records.values())
            self.commit(latest("a", soh=0.6))
            return iter(old)

    feed = Feed(as_store(Racing(latest("a", soh=0.9), latest("b", soh=0.8))))
    assert list(feed.rows()["soh"]) == [6000, 8000]


def test_the_table_grows_and_keeps_every_row() -> None:
    count = 5_000
    store = MemoryStore()
    feed = Feed(as_store(store))
    for start in range(0, count, 500):
        store.commit(*(latest(f"v{i}", evidence_count=i) for i in range(start, start + 500)))
    assert len(feed) == count
    np.testing.assert_array_equal(feed.rows()["evidence_count"], np.arange(count))


def test_a_delta_holds_only_what_changed() -> None:
    store = MemoryStore(*(latest(f"v{i}") for i in range(1_000)))
    feed = Feed(as_store(store))
    assert len(decode(feed.delta())["index"]) == 1_000
    store.commit(latest("v7", soh=0.71), latest("v9"), latest("v7", soh=0.72))
    frame = decode(feed.delta())
    assert frame["kind"] == DELTA
    assert list(frame["index"]) == [7, 9]
    assert frame["columns"]["soh"][0] == 7200
    assert len(feed.delta()) == 64, "a heartbeat is only a header"


def test_the_task_ends_with_the_last_browser() -> None:
    feed = Feed(as_store(MemoryStore(latest("a"))), interval_s=0.001)

    async def play() -> None:
        frames = [feed.watch(Subscriber()) for _ in range(3)]
        for one in frames:
            await anext(one)
        task = feed._task
        assert task is not None
        for one in frames:
            await one.aclose()
        await asyncio.sleep(0)
        assert task.cancelled()

    asyncio.run(play())
    assert ROW.itemsize == 24


def test_groups_are_named_once_and_coded_in_order() -> None:
    store = MemoryStore(latest("a", group="north"), latest("b"), latest("c", group="south"))
    feed = Feed(as_store(store))
    first = decode(feed.delta())
    assert first["groups"] == ["north", "south"]
    assert first["columns"]["group"].tolist() == [1, 0, 2]
    feed.apply([latest("b", group="south"), latest("d", group="west")])
    second = decode(feed.delta())
    assert second["groups"] == ["west"]
    assert second["columns"]["group"].tolist() == [2, 3]
    whole = decode(feed.snapshot()[1])
    assert whole["groups"] == ["north", "south", "west"]
    assert whole["columns"]["group"].tolist() == [1, 2, 2, 3]


def test_groups_beyond_the_codes_share_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evitals.dashboard.feed.GROUPS", 3)
    records = [latest(f"v{k}", group=f"g{k}") for k in range(4)]
    feed = Feed(as_store(MemoryStore(*records)))
    frame = decode(feed.delta())
    assert frame["columns"]["group"].tolist() == [1, 2, 3, 3]
    assert frame["groups"] == ["g0", "g1"]


def test_feed_and_store_give_one_summary() -> None:
    store = MemoryStore(
        latest("a", soh=0.8, status="Monitor"),
        latest("b", soh=0.6, status="Priority Maintenance"),
        latest("c", soh=None, status="Unknown"),
        latest("d", soh=0.95),
    )
    expected = {
        "vehicles": 4,
        "soh_mean": pytest.approx(0.783333, abs=1e-6),
        "attention": 2,
        "by_status": {"Healthy": 1, "Monitor": 1, "Priority Maintenance": 1, "Unknown": 1},
    }
    assert views.summary(as_store(store)) == expected
    assert views.summary(Feed(as_store(store))) == expected
    assert views.summary(Feed(as_store(MemoryStore())))["soh_mean"] is None
