"""A table as its file holds it: names now, values on demand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from evitals.errors import UnreadableFile
from evitals.telemetry.recording import Finding
from evitals.telemetry.sources.source import Shape

MAX_ROWS = 50_000_000
"""Rows above which a table is refused, whatever its size on disk."""

Loaded = tuple[pl.DataFrame, list[Finding]]


@dataclass(frozen=True, slots=True)
class RawTable:
    """``names`` as in the file (stripped, duplicates kept). ``load(numbers, texts)`` reads columns.

    ``numbers`` come as float64, ``texts`` as strings, dates or whatever the file stores.
    """

    shape: Shape
    names: tuple[str, ...]
    load: Callable[[Sequence[str], Sequence[str]], Loaded]


def damaged(name: str, error: BaseException, shape: str) -> UnreadableFile:
    """The refusal of a file whose content cannot be decoded."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UnreadableFile(
        name,
        text,
        f"stops the {shape} reader: the file is damaged or half-written",
        "send it again, complete",
        reason="damaged_file",
    )


def check_rows(rows: int, name: str) -> None:
    """Raises UnreadableFile for a table of more than ``MAX_ROWS`` rows."""
    if rows > MAX_ROWS:
        raise UnreadableFile(
            name,
            rows,
            f"rows are more than {MAX_ROWS}",
            "split the file",
            reason="too_many_rows",
        )
