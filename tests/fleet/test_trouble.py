"""What goes wrong with disks and files: an error with a remedy, and no batch lost silently."""

import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from evitals.errors import StoreBusy, StoreError
from evitals.fleet.open import open_store
from evitals.fleet.records import Batch, FileRecord
from evitals.fleet.sqlite import SqliteDialect
from evitals.fleet.sqlstore import SqlStore


def a_batch(number: int, size: int = 10) -> Batch:
    record = FileRecord(
        digest=f"{number:064x}",
        name="x" * size,
        state="stored",
        reason="",
        size_bytes=1,
        received_s=number,
    )
    return Batch(files=(record,))


def test_another_kind_of_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    path.write_bytes(b"this is not a database" * 1000)
    with pytest.raises(StoreError, match="not a database; choose another path"):
        open_store(path)
    assert path.read_bytes() == b"this is not a database" * 1000


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose a folder this user may write"):
        open_store(tmp_path / "file" / "home")


def test_a_folder_that_may_not_be_written() -> None:
    # /proc refuses new files, to root as well.
    with pytest.raises(StoreError, match=r"writable|may write"):
        open_store(Path("/proc/self/fleet.db"))


@pytest.mark.parametrize("url", ["postgresql://host/db", "sqlite:///", "http://x"])
def test_an_unknown_url_is_named(url: str) -> None:
    with pytest.raises(StoreError, match="use a folder"):
        open_store(url)


class SmallDisk(SqliteDialect):
    """A disk that is full after 64 pages."""

    def writer(self) -> Engine:
        engine = super().writer()
        event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count = 64"))
        return engine


def test_a_full_disk_fails_what_does_not_fit_and_keeps_the_rest(tmp_path: Path) -> None:
    store = SqlStore(SmallDisk(tmp_path / "fleet.db"))
    futures = [store.submit(a_batch(k, 20_000)) for k in range(40)]
    failed = {k for k, future in enumerate(futures) if future.exception()}
    assert failed
    for k in failed:
        with pytest.raises(StoreError, match="full; free some space"):
            futures[k].result()
    kept = {file.received_s for file in store.files(limit=100)}
    assert kept == set(range(40)) - failed
    assert kept
    # Room again: what failed can be sent once more.
    store.close()
    store = open_store(tmp_path / "fleet.db")
    for k in failed:
        store.submit(a_batch(k, 20_000)).result()
    assert len(store.files(limit=100)) == 40
    store.close()


def test_a_full_queue_says_busy(tmp_path: Path) -> None:
    store = open_store(tmp_path, queue_size=2)
    gate, blocked = threading.Event(), threading.Event()

    def block() -> None:
        blocked.set()
        gate.wait(30)

    task = store.writer.run(block)
    assert blocked.wait(10)
    futures = [store.submit(a_batch(k)) for k in range(2)]
    with pytest.raises(StoreBusy, match="later"):
        store.submit(a_batch(2))
    gate.set()
    task.result(10)
    for future in futures:
        future.result(10)
    store.close()
    with closing(open_store(tmp_path)) as again:
        assert len(again.files()) == 2


def test_waiting_batches_share_one_commit(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    gate = threading.Event()
    store.writer.run(lambda: gate.wait(30))
    futures = [store.submit(a_batch(k)) for k in range(100)]
    gate.set()
    for future in futures:
        future.result(10)
    assert (store.writer.commits, store.writer.batches) == (1, 100)
    store.close()


def test_a_cancelled_batch_is_not_written(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    gate = threading.Event()
    store.writer.run(lambda: gate.wait(30))
    first, second = store.submit(a_batch(1)), store.submit(a_batch(2))
    assert first.cancel()
    gate.set()
    second.result(10)
    assert [f.received_s for f in store.files()] == [2]
    store.close()
