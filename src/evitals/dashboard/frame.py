"""The live feed's wire format, version 2 (docs/page.md draws it; web/src/live/frame.ts reads it).

Little endian. A header of 64 bytes, then columns of typed arrays one after the other, each padded
to 4 bytes, then the ids of vehicles and the names of groups that the reader does not know yet:

| header field | type | meaning |
|---|---|---|
| magic | 4 bytes | ``EVLF`` |
| version | u8 | 2 |
| kind | u8 | 0 snapshot (forget all, rows 0..n-1), 1 delta (rows by index) |
| header size | u16 | 64 |
| sequence | u32 | of the state after this frame; a delta follows sequence - 1 |
| rows | u32 | rows in the columns |
| new ids | u32 | ids at the end, for rows appended in order |
| ids size | u32 | bytes of the ids section |
| vehicles | u32 | vehicles after this frame |
| by status | 4 x u32 | Healthy, Monitor, Priority Maintenance, Unknown |
| SoH mean | f32 | mean of the known, NaN when none is |
| sent | f64 | server's clock, seconds since 1970 UTC |
| new groups | u32 | names at the end, for the next codes in order (0 is no group) |
| groups size | u32 | bytes of the groups section |

A row of zeroes in no column means "unknown": the signed columns use -32768, times use 0 and
``soc`` uses 255.
"""

import math
import struct
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from evitals.fleet.records import LatestRecord, Status

MAGIC = b"EVLF"
VERSION = 2
SNAPSHOT: Literal[0] = 0
DELTA: Literal[1] = 1
HEADER = struct.Struct("<4sBBHIIIII4IfdII")
STATUSES: tuple[Status, ...] = get_args(Status)
STATUS_CODE = {status: code for code, status in enumerate(STATUSES)}
UNKNOWN = -32768
SCALE = 10_000.0
"""Signed 16 bit columns hold value x 10,000: +-3.2767 in steps of 0.0001."""
SOC_SCALE, SOC_UNKNOWN = 200.0, 255
GROUPS = 0xFFFF
"""Groups that have a code; those beyond share the last one, which has no name."""

ROW = np.dtype(
    [
        ("event_s", "<u4"),
        ("scored_s", "<u4"),
        ("soh", "<i2"),
        ("soh_low", "<i2"),
        ("soh_high", "<i2"),
        ("sop_ratio", "<i2"),
        ("risk_score", "<i2"),
        ("evidence_count", "<u2"),
        ("group", "<u2"),
        ("status", "u1"),
        ("soc", "u1"),
    ]
)
"""One vehicle's newest state; the frame's columns in this order."""

Kind = Literal[0, 1]
Rows = npt.NDArray[np.void]


def row_of(latest: LatestRecord, group: int = 0) -> tuple[int, ...]:
    """A newest answer as the integers of ``ROW``; ``sop_ratio`` is reference SoP / rated power,
    ``group`` the code of its group."""
    answer = latest.prediction
    sop, rated = answer.reference_sop_w, latest.rated_power_w
    return (
        _stamp(answer.event_s),
        _stamp(answer.scored_s),
        _scaled(answer.soh),
        _scaled(answer.soh_low),
        _scaled(answer.soh_high),
        _scaled(sop / rated if sop is not None and rated else None),
        _scaled(answer.risk_score),
        min(max(answer.evidence_count, 0), 0xFFFF),
        group,
        STATUS_CODE[answer.status],
        _soc(latest.soc),
    )


def _stamp(seconds: int | None) -> int:
    return seconds if seconds is not None and 0 < seconds <= 0xFFFFFFFF else 0


def _scaled(value: float | None) -> int:
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return round(min(max(value, -3.2767), 3.2767) * SCALE)


def _soc(value: float | None) -> int:
    if value is None or not math.isfinite(value):
        return SOC_UNKNOWN
    return round(min(max(value, 0.0), 1.05) * SOC_SCALE)


def tally(rows: Rows) -> tuple[tuple[int, ...], float]:
    """Vehicles by status code, and the mean SoH of those whose SoH is known (NaN: none)."""
    counts = np.bincount(rows["status"], minlength=len(STATUSES))
    known = rows["soh"][rows["soh"] != UNKNOWN]
    mean = float(known.mean() / SCALE) if known.size else math.nan
    return tuple(int(n) for n in counts[: len(STATUSES)]), mean


def encode(
    kind: Kind,
    sequence: int,
    rows: Rows,
    new_ids: Sequence[str],
    *,
    index: npt.NDArray[np.intp] | None = None,
    vehicles: int,
    by_status: Sequence[int],
    soh_mean: float,
    sent_s: float,
    new_groups: Sequence[str] = (),
) -> bytes:
    """One frame. ``rows`` (n,) of ``ROW``; ``index`` (n,) row numbers, given for a delta only."""
    ids, groups = _texts(new_ids), _texts(new_groups)
    head = HEADER.pack(
        MAGIC, VERSION, kind, HEADER.size, sequence & 0xFFFFFFFF, len(rows), len(new_ids),
        len(ids), vehicles, *by_status, soh_mean, sent_s, len(new_groups), len(groups),
    )  # fmt: skip
    parts = [head]
    if index is not None:
        parts.append(index.astype("<u4").tobytes())
    parts += [_padded(rows[name].tobytes()) for name in ROW.names or ()]
    return b"".join([*parts, ids, groups])


def _texts(texts: Sequence[str]) -> bytes:
    return b"".join(struct.pack("<H", len(raw)) + raw for raw in map(str.encode, texts))


def _read_texts(frame: bytes, at: int, count: int) -> tuple[list[str], int]:
    """``count`` texts from ``at`` on, and where they end."""
    texts = []
    for _ in range(count):
        (length,) = struct.unpack_from("<H", frame, at)
        texts.append(frame[at + 2 : at + 2 + length].decode())
        at += 2 + length
    return texts, at


def _padded(raw: bytes) -> bytes:
    return raw + b"\0" * (-len(raw) % 4)


def decode(frame: bytes) -> dict[str, Any]:
    """A frame back into header fields, ``index``, ``columns``, ``ids`` and ``groups``, for tests
    and tools.

    Raises ValueError for bytes that are no frame of this version.
    """
    if len(frame) < HEADER.size or frame[:4] != MAGIC or frame[4] != VERSION:
        raise ValueError(f"not a version {VERSION} frame")
    _, _, kind, size, sequence, n, new, ids_size, vehicles, *rest = HEADER.unpack_from(frame)
    *by_status, soh_mean, sent_s, new_groups, _ = rest
    at = size
    index = np.arange(n, dtype="<u4")
    if kind == DELTA:
        index = np.frombuffer(frame, "<u4", n, at)
        at += 4 * n
    columns = {}
    for name in ROW.names or ():
        column = np.frombuffer(frame, ROW[name], n, at)
        columns[name] = column
        at += column.nbytes + (-column.nbytes % 4)
    ids, at = _read_texts(frame, at, new)
    groups, at = _read_texts(frame, at, new_groups)
    if at != len(frame):
        raise ValueError(f"frame of {len(frame)} bytes, {at} expected")
    return {
        "kind": kind, "sequence": sequence, "vehicles": vehicles, "by_status": tuple(by_status),
        "soh_mean": soh_mean, "sent_s": sent_s, "index": index, "columns": columns, "ids": ids,
        "ids_size": ids_size, "groups": groups,
    }  # fmt: skip
