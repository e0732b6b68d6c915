"""What a source is: a declaration of how one publisher or logger writes its files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from evitals.signals import SIGNALS

Shape = Literal["csv", "parquet", "ndjson", "arrow", "xlsx", "mat"]


@dataclass(frozen=True, slots=True)
class Column:
    """Where a signal comes from: value x ``scale`` + ``offset``, after ``sentinels`` became null.

    Sentinels are compared with the raw value, before scale and offset.
    """

    signal: str
    scale: float = 1.0
    offset: float = 0.0
    sentinels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.signal not in SIGNALS:
            raise ValueError(f"{self.signal!r} is not a signal; see evitals.signals.SIGNALS")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a sidecar file says about one recording; None where it is silent.

    ``start`` without a zone is local to ``zone``, else to the reader's. ``exclude`` is the
    publisher's own reason not to use the recording.
    """

    start: datetime | None = None
    zone: str | None = None
    vehicle_id: str | None = None
    ambient_degc: float | None = None
    exclude: str = ""


Sidecar = Callable[[Path], Mapping[str, Facts]]
"""Reads what lies beside a file: the file's path -> facts by part (or by file name)."""
Derive = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How one kind of file is written.

    ``required``: columns that must be there for the source to be recognised; an entry may be a
    tuple of alternatives. ``columns`` maps a column's name to its signal; of two columns for
    one signal the first named here wins. ``part``, ``vehicle`` and ``battery`` are columns whose
    values tell recordings apart. ``stamp`` is a column of dates, used for the start, and for
    ``time_s`` where no column maps to it; dates without a zone are local to ``zone`` if given.
    ``vehicle_names`` maps the names a file uses to ids of built-in descriptions. ``sidecar``
    reads the metadata beside the file; ``by_file`` says its facts are keyed by the file's name.
    """

    name: str
    about: str
    shapes: Sequence[Shape]
    required: Sequence[str | tuple[str, ...]]
    columns: Mapping[str, Column]
    separator: str = ","
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    level: Literal["cell", "pack"] | None = None
    part: str | None = None
    vehicle: str | None = None
    battery: str | None = None
    stamp: Sequence[str] = ()
    zone: str | None = None
    vehicle_names: Mapping[str, str] = field(default_factory=dict)
    sidecar: Sidecar | None = None
    by_file: bool = False
    derive: Derive | None = None

    def missing(self, names: Sequence[str]) -> list[str]:
        """The required columns that are not among ``names`` (empty: this source fits)."""
        have = set(names)
        lacking = []
        for entry in self.required:
            options = (entry,) if isinstance(entry, str) else entry
            if not have.intersection(options):
                lacking.append(" or ".join(options))
        return lacking

    def mapped(self, names: Sequence[str]) -> dict[str, Column]:
        """The columns of a file that this source uses: name -> Column, one per signal."""
        have = set(names)
        chosen: dict[str, Column] = {}
        taken: set[str] = set()
        for name, column in self.columns.items():
            if name in have and column.signal not in taken:
                chosen[name] = column
                taken.add(column.signal)
        return chosen
