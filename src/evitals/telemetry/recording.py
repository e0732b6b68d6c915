"""What a reader returns: one recording of one battery, in signals.

A ``Recording`` is a table whose columns are names of ``SIGNALS`` in their units and sign, one row
a sample, in the order of the file, ``time_s`` starting at 0. Cells that were missing or a
sentinel are null: nothing is filled in. ``Finding`` says what a check saw.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import polars as pl

Severity = Literal["info", "warning", "error"]
StartOrigin = Literal["file", "option", "vehicle_default", "unknown"]
Kind = Literal["drive", "charge", "rest"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw: a stable ``code``, how many rows, which first, and what to do."""

    code: str
    severity: Severity
    count: int
    rows: tuple[int, ...]
    signal: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of one battery. ``digest`` identifies its content (SHA-256, hex).

    ``part`` tells recordings of one file apart (a trip id, a test id), "" where there is one.
    ``start`` is the event time of ``time_s == 0`` in UTC; ``start_origin`` says who said so.
    """

    table: pl.DataFrame
    source: str
    digest: str
    name: str = ""
    part: str = ""
    vehicle_id: str | None = None
    battery_id: str | None = None
    level: Literal["cell", "pack"] | None = None
    start: datetime | None = None
    start_origin: StartOrigin = "unknown"
    findings: tuple[Finding, ...] = field(default=())

    def with_(self, **changes: object) -> "Recording":
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Trip:
    """A drive, a charge or a rest: a stretch of a recording without a gap.

    ``digest`` is that of the recording and the stretch's place in it; ``sequence`` counts the
    stretches of a recording from 0. ``table`` keeps the recording's columns, ``time_s`` starting
    at 0. ``continues`` is true where it follows the stretch before it without a gap.
    """

    table: pl.DataFrame
    kind: Kind
    digest: str
    sequence: int
    offset_s: float
    duration_s: float
    start: datetime | None
    start_origin: StartOrigin
    continues: bool
    findings: tuple[Finding, ...] = field(default=())
