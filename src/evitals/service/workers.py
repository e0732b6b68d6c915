"""One ``map`` for threads, processes and Ray: results as they come, errors as they were.

Ray joins the cluster that ``RAY_ADDRESS`` names, or starts one of its own on this machine.
"""

import logging
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from typing import Any, Literal, TypeVar, get_args

from msgspec import Struct

from evitals.errors import EvitalsError, InputError, MissingExtra

Item = TypeVar("Item")
Result = TypeVar("Result")
Engine = Literal["threads", "processes", "ray"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
AHEAD = 2
"""Items handed out a worker: one at work, one waiting."""
OBJECT_STORE_BYTES = 100_000_000
"""Results are small; Ray would take 30 % of the machine's memory."""

_stop = threading.Event()


class Stopped(EvitalsError):
    """The work was called off; what is done stays."""


class _Failed(Struct, frozen=True):
    """An error that crossed a process: as it was said, or as it was traced."""

    message: str
    expected: bool


def check() -> None:
    """Raises Stopped where this process was told to end its threads' work. Call it often."""
    if _stop.is_set():
        raise Stopped("stopped")


def mapped(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, engine: Engine
) -> Generator[tuple[Item, Result], None, None]:
    """``function`` of every item, with its item, in the order in which they are done.

    At most ``AHEAD`` items a worker are under way. ``function``, items and results are pickled by
    "processes" and "ray". An EvitalsError or OSError of one item ends the map as an EvitalsError
    with its message, any other as a RuntimeError with its trace; nothing new is begun then, nor
    where the iterator is closed or Ctrl-C comes. Raises InputError for an engine that does not
    exist and MissingExtra where Ray is not installed.
    """
    if engine not in ENGINES:
        raise InputError("engine", engine, "does not exist", f"use {', '.join(ENGINES)}")
    if workers < 1:
        raise InputError("workers", workers, "is below 1", "give 1 or more")
    guarded = partial(_guarded, function)
    if workers == 1 and engine != "ray":
        for item in items:
            yield item, _opened(guarded(item))
    elif engine == "ray":
        yield from _on_ray(guarded, items, workers)
    else:
        with _pool(workers, engine) as pool:
            yield from _on_pool(pool, guarded, items, workers)


def _guarded(function: Callable[[Item], Result], item: Item) -> Result | _Failed:
    try:
        return function(item)
    except (EvitalsError, OSError) as error:
        return _Failed(str(error), True)
    except Exception:
        return _Failed(traceback.format_exc(), False)


def _opened(result: Result | _Failed) -> Result:
    if not isinstance(result, _Failed):
        return result
    if result.expected:
        raise EvitalsError(result.message)
    raise RuntimeError(result.message)


@contextmanager
def _pool(workers: int, engine: Engine) -> Iterator[Executor]:
    """A pool whose work ends with the block, however that ends."""
    _stop.clear()
    pool: Executor
    if engine == "threads":
        pool = ThreadPoolExecutor(workers)
    else:
        # Spawned, not forked: the parent may run threads.
        pool = ProcessPoolExecutor(workers, get_context("spawn"), _follow_parent)
    try:
        yield pool
    except BaseException:
        _stop.set()
        for process in list(getattr(pool, "_processes", None) or {}).copy():
            _end(process)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        _stop.clear()


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end with it, even where it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _on_pool(
    pool: Executor, function: Callable[[Item], Any], items: Iterable[Item], workers: int
) -> Iterator[tuple[Item, Any]]:
    rest = iter(items)
    busy: dict[Future[Any], Item] = {
        pool.submit(function, item): item for item in islice(rest, AHEAD * workers)
    }
    while busy:
        done, _ = wait(busy, return_when=FIRST_COMPLETED)
        for future in done:
            item, result = busy.pop(future), _opened(future.result())
            for new in islice(rest, 1):
                busy[pool.submit(function, new)] = new
            yield item, result


def _on_ray(
    function: Callable[[Item], Any], items: Iterable[Item], workers: int
) -> Iterator[tuple[Item, Any]]:
    with _ray(workers) as ray:
        remote = ray.remote(_call)
        shared = ray.put(function)
        rest = iter(items)
        busy = {remote.remote(shared, item): item for item in islice(rest, AHEAD * workers)}
        while busy:
            (done,), _ = ray.wait(list(busy), num_returns=1)
            item, result = busy.pop(done), _opened(ray.get(done))
            for new in islice(rest, 1):
                busy[remote.remote(shared, new)] = new
            yield item, result


def _call(function: Callable[[Item], Any], item: Item) -> Any:
    return function(item)


@contextmanager
def _ray(workers: int) -> Iterator[Any]:
    """Ray, connected; one of its own is shut down afterwards, with what still runs."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("ray") from error
    if "RAY_ADDRESS" in os.environ:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    else:
        ray.init(
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    try:
        yield ray
    finally:
        ray.shutdown()
