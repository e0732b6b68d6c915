"""A commit's waiters are woken together, and each gets its own end."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from evitals.service.waiting import Waiting


def resolve_in_a_thread(futures: "list[Future[None]]") -> None:
    def work() -> None:
        for number, future in enumerate(futures):
            if number % 3 == 2:
                future.set_exception(ValueError(str(number)))
            else:
                future.set_result(None)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_every_waiter_gets_its_own_end() -> None:
    async def wait() -> list[BaseException | None]:
        waiting = Waiting()
        futures: list[Future[None]] = [Future() for _ in range(60)]
        tasks = [asyncio.create_task(waiting.until_done(f)) for f in futures]
        await asyncio.sleep(0)
        resolve_in_a_thread(futures)
        return await asyncio.gather(*tasks, return_exceptions=True)

    ends = asyncio.run(wait())
    assert [str(e) for e in ends if e is not None] == [str(n) for n in range(2, 60, 3)]
    assert ends.count(None) == 40


def counted(loop: asyncio.AbstractEventLoop, calls: list[int]) -> Callable[..., asyncio.Handle]:
    """The loop's wake-up, counted."""
    wake = loop.call_soon_threadsafe

    def wrapped(callback: Callable[..., object], *arguments: object) -> asyncio.Handle:
        calls.append(1)
        return wake(callback, *arguments)

    return wrapped


def test_waiters_that_resolve_together_wake_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wakes: list[int] = []

    async def wait() -> None:
        waiting = Waiting()
        loop = asyncio.get_running_loop()
        futures: list[Future[None]] = [Future() for _ in range(50)]
        tasks = [asyncio.create_task(waiting.until_done(f)) for f in futures]
        await asyncio.sleep(0)
        monkeypatch.setattr(loop, "call_soon_threadsafe", counted(loop, wakes))
        resolve_in_a_thread([*futures[:2], *futures[3:]])
        futures[2].set_result(None)
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(wait())
    assert len(wakes) == 1


def test_a_waiter_that_leaves_cancels_nothing() -> None:
    async def wait() -> Future[None]:
        waiting, future = Waiting(), Future[None]()
        leaver = asyncio.create_task(waiting.until_done(future))
        stayer = asyncio.create_task(waiting.until_done(future))
        await asyncio.sleep(0)
        leaver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaver
        assert not future.cancelled()
        resolve_in_a_thread([future])
        await asyncio.wait_for(stayer, 5.0)
        return future

    assert asyncio.run(wait()).result() is None


def test_one_that_is_done_already_does_not_wait() -> None:
    done: Future[None] = Future()
    done.set_result(None)
    asyncio.run(asyncio.wait_for(Waiting().until_done(done), 5.0))


def test_a_loop_that_has_closed_is_no_error() -> None:
    future: Future[None] = Future()

    async def leave() -> None:
        task = asyncio.create_task(Waiting().until_done(future))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    future.set_result(None)
    assert future.done()
