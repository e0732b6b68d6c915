"""Rows committed a second: one Arrow message to ours, beside row by row to the reference.

The reference has no batch endpoint: its sender posts one row after the other. A second row of the
table gives it 50 connections, its best.
"""

import io
from collections.abc import Callable
from contextlib import ExitStack

import msgspec
import polars as pl

from benchmarks import processes
from benchmarks.claims.predict import CONNECTIONS
from benchmarks.load import Order, load
from benchmarks.processes import Server
from benchmarks.requests import bodies, columns
from benchmarks.result import Bar, Row, Scale

NAME = "batch"
ARROW = "application/vnd.apache.arrow.stream"
ROWS = 10_000
"""Rows a message, the most our endpoint takes."""


def messages(count: int, rows: int) -> list[bytes]:
    """``count`` Arrow streams of ``rows`` different rows each."""
    found = []
    for seed in range(count):
        table = pl.DataFrame(columns(rows, seed=100 + seed))
        ids = pl.Series("vehicle_id", [f"cell-{n % 1000:04d}" for n in range(rows)])
        out = io.BytesIO()
        table.insert_column(0, ids).write_ipc_stream(out)
        found.append(out.getvalue())
    return found


def measure(scale: Scale) -> list[Row]:
    """Ours in messages of 10,000 rows; the reference one by one, then by 50 connections."""
    count = scale.pick(3, 1)
    sent, one_by_one = messages(count, ROWS), bodies()
    seconds = float(scale.pick(4, 2))
    ours: list[float] = []
    cpu_ours: list[float] = []
    theirs: list[list[float]] = [[], []]
    cpu_theirs: list[float] = []
    with ExitStack() as stack:
        started: Callable[..., Server] = stack.enter_context
        mine = started(processes.evitals(scale.folder / "home"))
        reference = started(processes.reference(scale.folder / "reference"))
        whole = Order(
            port=mine.port, path="/v1/predictions:batch", connections=1, bodies=sent,
            media_type=ARROW, seconds=120.0, requests=count,
        )  # fmt: skip
        load(msgspec.structs.replace(whole, requests=1))
        for _ in range(scale.runs):
            before = mine.cpu_s()
            seen = load(whole)
            if seen.errors:
                raise AssertionError(seen.first_error)
            ours.append(seen.replies * ROWS / seen.seconds)
            cpu_ours.append(1e6 * (mine.cpu_s() - before) / seen.replies / ROWS)
            for connections, rates in zip((1, CONNECTIONS), theirs, strict=True):
                before = reference.cpu_s()
                single = load(
                    Order(
                        port=reference.port, path="/predict", connections=connections,
                        bodies=one_by_one, seconds=seconds,
                    )
                )  # fmt: skip
                rates.append(single.rate)
            cpu_theirs.append(1e6 * (reference.cpu_s() - before) / single.replies)
    bar = Bar(of="ratio", bound=500.0, goal=1000.0)
    note = f"{count} messages of {ROWS:,} rows a run, each committed before its reply"
    return [
        Row(
            claim=NAME, quantity="rows/s committed, Arrow / one by one", unit="1/s",
            better="higher", ours=ours, reference=theirs[0], bar=bar, note=note,
        ),
        Row(
            claim=NAME, quantity="rows/s committed, Arrow / 50 connections", unit="1/s",
            better="higher", ours=ours, reference=theirs[1],
        ),
        Row(
            claim=NAME, quantity="CPU per row committed", unit="us", ours=cpu_ours,
            reference=cpu_theirs,
        ),
    ]  # fmt: skip
