"""``POST /predict``, answered after commit: beside the reference, and beside a bare ASGI reply.

Wall clock says how many requests a second came through at 50 connections; CPU of the server's
processes per request says the same without what else the machine did meanwhile.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import msgspec

from benchmarks import processes
from benchmarks.load import Order, Seen, load
from benchmarks.processes import Server
from benchmarks.requests import bodies
from benchmarks.result import Bar, Row, Scale

NAME = "predict"
CONNECTIONS, MANY = 50, 500
PATH = "/predict"


class Measured:
    """Runs of one server: rate, CPU per request, and the last run's details."""

    def __init__(self, server: Server, path: str, sent: list[bytes], seconds: float) -> None:
        self.server = server
        self.order = Order(
            port=server.port, path=path, connections=CONNECTIONS, bodies=sent, seconds=seconds
        )
        self.rates: list[float] = []
        self.cpu_us: list[float] = []
        self.seen: list[Seen] = []

    def run(self) -> None:
        """One run, counted."""
        before = self.server.cpu_s()
        seen = load(self.order)
        if seen.errors or not seen.replies:
            raise AssertionError(f"{seen.errors} errors: {seen.first_error}")
        self.rates.append(seen.rate)
        self.cpu_us.append(1e6 * (self.server.cpu_s() - before) / seen.replies)
        self.seen.append(seen)


def in_turn(measured: Sequence[Measured], runs: int) -> None:
    """One uncounted run each, then ``runs`` counted ones in turn."""
    for one in measured:
        load(msgspec.structs.replace(one.order, seconds=1.0))
    for _ in range(runs):
        for one in measured:
            one.run()


def measure(scale: Scale) -> list[Row]:
    """Ours, the reference and the bare reply in turn; then 500 connections on ours."""
    seconds = float(scale.pick(5, 2))
    sent = bodies()
    with ExitStack() as stack:
        started: Callable[..., Server] = stack.enter_context
        ours = started(processes.evitals(scale.folder / "home"))
        size = load(
            Order(port=ours.port, path=PATH, connections=1, bodies=sent, requests=3)
        ).reply_bytes
        theirs = started(processes.reference(scale.folder / "reference"))
        limit = started(processes.bare(scale.folder, size - 150))
        mine, reference, bare = (
            Measured(server, PATH, sent, seconds) for server in (ours, theirs, limit)
        )
        in_turn([mine, reference, bare], scale.runs)
        many = [_many(ours, sent, seconds) for _ in range(scale.runs)]
    return [*_rows(mine, reference, bare), *_crowd(many)]


def _many(server: Server, sent: list[bytes], seconds: float) -> Seen:
    return load(Order(port=server.port, path=PATH, connections=MANY, bodies=sent, seconds=seconds))


def _rows(mine: Measured, reference: Measured, bare: Measured) -> list[Row]:
    against = Bar(of="ratio", bound=25.0, goal=100.0)
    share = Bar(of="ratio", bound=0.15, goal=0.5)
    p99 = sorted(1e3 * seen.p99_s for seen in mine.seen)
    note = f"p99 {p99[len(p99) // 2]:.1f} ms; load generator on the same cores"
    return [
        Row(
            claim=NAME, quantity="requests/s after commit, 50 connections", unit="1/s",
            better="higher", ours=mine.rates, reference=reference.rates, bar=against, note=note,
        ),
        Row(
            claim=NAME, quantity="CPU per request after commit", unit="us", ours=mine.cpu_us,
            reference=reference.cpu_us, bar=against, note="user and system, all server processes",
        ),
        Row(
            claim=NAME, quantity="requests/s as share of a bare reply", unit="1/s",
            better="higher", ours=mine.rates, reference=bare.rates, other="bare ASGI", bar=share,
        ),
        Row(
            claim=NAME, quantity="CPU per request as share of a bare reply", unit="us",
            ours=mine.cpu_us, reference=bare.cpu_us, other="bare ASGI", bar=share,
        ),
    ]  # fmt: skip


def _crowd(many: list[Seen]) -> list[Row]:
    first = next((seen.first_error for seen in many if seen.errors), "")
    return [
        Row(
            claim=NAME, quantity="p99 at 500 connections", unit="s",
            ours=[seen.p99_s for seen in many], bar=Bar(of="value", bound=0.3),
            note=f"{sum(seen.replies for seen in many):,} replies",
        ),
        Row(
            claim=NAME, quantity="errors at 500 connections", unit="1",
            ours=[float(seen.errors) for seen in many], bar=Bar(of="value", bound=0.0), note=first,
        ),
    ]  # fmt: skip
