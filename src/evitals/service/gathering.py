"""Requests that come together are answered together.

One group is at the writer at a time; what comes meanwhile is the next one. So a lone request waits
for nobody, and many share one computation, one batch and one wake-up of the event loop.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import msgspec
from msgspec import Struct

from evitals.errors import StoreBusy
from evitals.fleet.records import Batch
from evitals.service.predict import Answers, Known, Rows, parse_predict, rows_of
from evitals.service.schemas import PredictRequest

MOST = 128
"""Requests of one group: longer ones would keep the event loop from reading."""
MANY = 4
"""Requests of a group from which on the next one is waited for."""
GATHER_S = 0.005
"""How long, at most."""
SHARE = 0.9
"""Of those who wait or were just answered: as many are waited for."""
encode = msgspec.json.Encoder().encode


class Asked(Struct, frozen=True, eq=False):
    """One request that waits for its reply."""

    request: PredictRequest
    ignored: tuple[str, ...]
    known: Known
    reply: "asyncio.Future[bytes]"


class Gathering:
    """Those of one event loop who wait for a reply.

    ``known`` tells what is known of a vehicle, ``answer`` answers rows, ``submit`` hands a batch
    to the writer, and ``committed`` hears of it when it is stored.
    """

    def __init__(
        self,
        known: Callable[[str], Known],
        answer: Callable[[Rows, Sequence[Known]], Answers],
        submit: Callable[[Batch], "Future[None]"],
        committed: Callable[[Batch], None],
    ) -> None:
        self._known, self._answer = known, answer
        self._submit, self._committed = submit, committed
        self._waiting: list[Asked] = []
        self._at_work = 0
        self._expected = 0
        self._pause: asyncio.TimerHandle | None = None
        self._called = False

    async def reply(self, body: bytes) -> bytes:
        """The reply to one request's body, committed. Raises EvitalsError where there is none."""
        request, ignored = parse_predict(body)
        known = self._known(request.vehicle_id)
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[bytes] = loop.create_future()
        self._waiting.append(Asked(request, ignored, known, reply))
        if not self._at_work and not self._called and len(self._waiting) >= self._expected:
            # After those who are ready to run in this turn of the loop.
            self._called = True
            loop.call_soon(self._next)
        return await reply

    def _next(self) -> None:
        self._called = False
        self._expected = 0
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        while self._waiting and not self._at_work:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._start([asked for asked in group if not asked.reply.done()])

    def _start(self, group: Sequence[Asked]) -> None:
        """Answer a group and hand it to the writer."""
        if not group:
            return
        try:
            rows = rows_of([(asked.request, asked.ignored) for asked in group])
            answers = self._answer(rows, [asked.known for asked in group])
            for place, error in answers.refused.items():
                group[place].reply.set_exception(error)
            group = [group[place] for place in answers.places]
            if not group:
                return
            replies = list(map(encode, answers.replies()))
            future = self._submit(answers.batch)
        except Exception as error:
            self._failed(group, error)
            return
        self._at_work += 1
        loop = asyncio.get_running_loop()
        future.add_done_callback(partial(self._wake, loop, group, answers, replies))

    def _failed(self, group: Sequence[Asked], error: Exception) -> None:
        """Alone, each stands or falls for itself: one of them may be at fault."""
        if len(group) > 1 and not isinstance(error, StoreBusy):
            for asked in group:
                self._start([] if asked.reply.done() else [asked])
            return
        for asked in group:
            if not asked.reply.done():
                asked.reply.set_exception(error)

    def _wake(
        self,
        loop: asyncio.AbstractEventLoop,
        group: Sequence[Asked],
        answers: Answers,
        replies: Sequence[bytes],
        future: "Future[None]",
    ) -> None:
        """In the writer's thread: a group's batch has come to its end."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits
            loop.call_soon_threadsafe(self._ended, group, answers, replies, future)

    def _ended(
        self,
        group: Sequence[Asked],
        answers: Answers,
        replies: Sequence[bytes],
        future: "Future[None]",
    ) -> None:
        self._at_work -= 1
        error = future.exception()
        if isinstance(error, Exception):
            self._failed(group, error)
            self._next()
            return
        self._committed(answers.batch)
        self._go_on(len(group))  # first, so that the writer has work while replies are sent
        for asked, reply in zip(group, replies, strict=True):
            if not asked.reply.done():
                asked.reply.set_result(reply)

    def _go_on(self, answered: int) -> None:
        """Start the next group; after many, once most of them have asked again."""
        self._expected = min(MOST, int(SHARE * (len(self._waiting) + answered)))
        if answered < MANY or len(self._waiting) >= self._expected:
            self._next()
        else:
            loop = asyncio.get_running_loop()
            self._pause = self._pause or loop.call_later(GATHER_S, self._next)
