"""One ``map`` for threads, processes and Ray: the same results, the same errors."""

import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from evitals.battery import describe
from evitals.errors import EvitalsError, InputError
from evitals.service import workers
from evitals.service.workers import ENGINES, Engine, Stopped, mapped


def needs(engine: Engine) -> None:
    if engine == "ray":
        pytest.importorskip("ray", reason="Ray is missing: pip install 'evitals[ray]'")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_item_comes_back_once_with_its_result(engine: Engine) -> None:
    needs(engine)
    found = sorted(mapped(math.factorial, range(12), 2, engine))
    assert found == [(x, math.factorial(x)) for x in range(12)]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_error_comes_back_as_it_was_said(engine: Engine, tmp_path: Path) -> None:
    needs(engine)
    with pytest.raises(EvitalsError, match="'no-such-car' is not described"):
        list(mapped(describe, ["bmw-i3-60ah", "no-such-car"], 2, engine))
    with pytest.raises(EvitalsError, match=r"No such file or directory: '.*absent'"):
        list(mapped(Path.stat, [tmp_path, tmp_path / "absent"], 2, engine))
    with pytest.raises(RuntimeError, match="ValueError"):
        list(mapped(math.factorial, [1, -1], 2, engine))


def test_processes_end_when_nobody_listens_any_more() -> None:
    began = time.monotonic()
    before = set(psutil.Process().children(recursive=True))
    results = mapped(time.sleep, [0.0, *[60.0] * 9], 2, "processes")
    next(results)
    family = psutil.Process().children(recursive=True)
    new = [child for child in family if child not in before]
    children = [child for child in new if "resource_tracker" not in str(child.cmdline())]
    assert len(children) == 2
    results.close()
    assert time.monotonic() - began < 30.0
    assert psutil.wait_procs(children, timeout=10)[1] == []


def test_threads_end_at_their_next_check_when_nobody_listens_any_more() -> None:
    ended: list[int] = []

    def taking(x: int) -> None:
        while x:
            try:
                workers.check()
            except Stopped:
                ended.append(x)
                raise
            time.sleep(0.01)

    results = mapped(taking, range(10), 2, "threads")
    next(results)
    results.close()
    assert 1 <= len(ended) <= 2
    workers.check()


def test_a_stopped_thread_says_so() -> None:
    workers._stop.set()
    try:
        with pytest.raises(Stopped):
            workers.check()
    finally:
        workers._stop.clear()


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for x in range(20, 120):
            taken.append(x)
            yield x

    results = mapped(math.factorial, items(), 2, "threads")
    next(results)
    assert len(taken) <= 2 * workers.AHEAD + 2
    results.close()


def test_impossible_orders_are_refused() -> None:
    with pytest.raises(InputError, match="use threads, processes, ray"):
        list(mapped(math.factorial, [1], 1, "fibres"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="workers"):
        list(mapped(math.factorial, [1], 0, "threads"))


def test_ray_missing_names_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EvitalsError, match=r"pip install 'evitals\[ray\]'"):
        list(mapped(math.factorial, [1], 1, "ray"))
    assert "RAY_ADDRESS" not in os.environ
