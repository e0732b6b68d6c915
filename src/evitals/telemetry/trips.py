"""A continuous recording cut into drives, charges and rests.

Rules, in seconds; `cut` is a partition (no row lost, none doubled) and changes nothing when
applied again to one of its trips:

1. A step longer than `GAP_S` and longer than `GAP_STEPS` times the usual step, one longer than
   `GAP_MAX_S`, or a step back in time, splits; what follows does not continue what went before.
   The usual step is the median of the steps around, so that a logger may change its pace (30 s at
   rest, 1 s in a drive).
2. A sample rests where the vehicle stands and |current| is at most a fiftieth of the capacity per
   hour, or twice the current's resolution if that is more; it charges where the vehicle stands and
   current is above that; otherwise it drives. Where current is missing, the state before stays.
3. A rest shorter than `REST_S` is part of what surrounds it. A charge shorter than `CHARGE_S`
   belongs to the drive; a drive shorter than `PAUSE_S` between two charges to the charge.
"""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from evitals.battery import Battery
from evitals.telemetry.checks import LOCAL, local_findings
from evitals.telemetry.digest import place_digest
from evitals.telemetry.examination import Examination
from evitals.telemetry.gaps import gap_rows
from evitals.telemetry.recording import Finding, Kind, Recording, Trip
from evitals.telemetry.stuck import STANDING_MPS

REST_S = 300.0
CHARGE_S = 120.0
PAUSE_S = 60.0
REST_C_RATE = 1 / 50
PACK_REST_A, CELL_REST_A = 1.0, 0.05
"""Rest current where no battery is given; a pack is what has more than `CELL_TOP_V` volts."""
CELL_TOP_V = 6.0

REST, CHARGE, DRIVE, OPEN = 0, 1, 2, 3
KINDS: tuple[Kind, ...] = ("rest", "charge", "drive")
States = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
Piece = tuple[int, int, int, bool]
"""First row, row after the last, state, whether it follows the piece before without a gap."""


def cut(
    recording: Recording, battery: Battery | None = None, examination: Examination | None = None
) -> list[Trip]:
    """The drives, charges and rests of a recording, in its order.

    ``battery`` sets the rest current; without it 1 A (pack) or 0.05 A (cell) is assumed. A trip's
    findings: the recording's own where they concern it (a sign flip or unit slip concerns all), and
    what `checks.local_findings` sees in this trip alone. ``examination`` is the recording's, where
    it was examined already.
    """
    examination = Examination.of(recording, battery) if examination is None else examination
    chart = examination.chart
    limit = rest_current_a(recording.table, battery)
    pieces = _cut(chart.time, chart.current, chart.speed, limit, 0, False)
    return [_trip(recording, examination, number, piece) for number, piece in enumerate(pieces)]


def rest_current_a(table: pl.DataFrame, battery: Battery | None) -> float:
    """The current below which a battery rests, A."""
    if battery is not None:
        fraction = REST_C_RATE * battery.reference_capacity_ah
        return max(fraction, 2 * battery.sensors.current_resolution_a)
    top = table["voltage_v"].max() if "voltage_v" in table.columns else None
    return PACK_REST_A if isinstance(top, float) and top > CELL_TOP_V else CELL_REST_A


def _cut(
    time: Floats, current: Floats, speed: Floats, limit: float, first: int, follows: bool
) -> list[Piece]:
    """Cut until every piece, taken alone, is one piece: that makes cutting again change nothing."""
    pieces = _once(time, current, speed, limit)
    if len(pieces) == 1:
        return [(first, first + len(time), pieces[0][2], follows)]
    done: list[Piece] = []
    for start, stop, _, joined in pieces:
        part = slice(start, stop)
        joined = follows if start == 0 else joined
        done += _cut(time[part], current[part], speed[part], limit, first + start, joined)
    return done


def _once(time: Floats, current: Floats, speed: Floats, limit: float) -> list[Piece]:
    edges = [0, *gap_rows(time).tolist(), len(time)]
    pieces: list[Piece] = []
    for start, stop in pairwise(edges):
        part = slice(start, stop)
        states = _states(time[part], current[part], speed[part], limit)
        runs = _runs(states)
        pieces += [(start + a, start + b, int(states[a]), k > 0) for k, (a, b) in enumerate(runs)]
    return pieces


def _states(time: Floats, current: Floats, speed: Floats, limit: float) -> States:
    """The state of every sample of a stretch without gaps, after short runs were merged."""
    moving = np.abs(speed) > STANDING_MPS  # a missing speed does not move
    states = np.full(len(time), DRIVE, dtype=np.int8)
    states[~moving & (np.abs(current) <= limit)] = REST
    states[~moving & (current > limit)] = CHARGE
    states = _filled(np.where(np.isnan(current) & ~moving, OPEN, states).astype(np.int8), DRIVE)
    if not (states == REST).all():
        states = _filled(_replaced(time, states, REST, REST_S, OPEN), REST)
    states = _replaced(time, states, CHARGE, CHARGE_S, DRIVE)
    return _replaced(time, states, DRIVE, PAUSE_S, CHARGE, between=True)


def _runs(states: States) -> list[tuple[int, int]]:
    edges = np.flatnonzero(states[1:] != states[:-1]) + 1
    bounds = [0, *edges.tolist(), len(states)]
    return list(pairwise(bounds)) if len(states) else []


def _replaced(
    time: Floats, states: States, state: int, shorter_s: float, by: int, between: bool = False
) -> States:
    """Runs of ``state`` shorter than ``shorter_s`` become ``by``; with ``between`` only where
    ``by`` stands on both sides. A run lasts from its first to its last sample, in either context.
    """
    edges = np.flatnonzero(states[1:] != states[:-1]) + 1
    if not len(edges):
        return states
    starts, stops = np.concatenate([[0], edges]), np.concatenate([edges, [len(states)]])
    short = (states[starts] == state) & (time[stops - 1] - time[starts] < shorter_s)
    if between:
        around = states[starts] == by
        short[1:-1] &= around[:-2] & around[2:]
        short[[0, -1]] = False
    if not short.any():
        return states
    result = states.copy()
    result[np.repeat(short, stops - starts)] = by
    return result


def _filled(states: States, default: int) -> States:
    """OPEN samples take the state before them, at the start the state after; else ``default``."""
    known = states != OPEN
    if known.all():
        return states
    if not known.any():
        return np.full_like(states, default)
    place = np.maximum.accumulate(np.where(known, np.arange(len(states)), -1))
    place[place < 0] = int(np.argmax(known))
    return states[place]


def _trip(recording: Recording, examination: Examination, number: int, piece: Piece) -> Trip:
    first, stop, state, follows = piece
    time = examination.chart.time
    offset = float(time[first])
    table = recording.table[first:stop]
    if offset:
        # In place in the new table: an expression would take longer than the cut.
        moved = pl.Series("time_s", time[first:stop] - offset)
        table.replace_column(table.get_column_index("time_s"), moved)
    start = None if recording.start is None else recording.start + timedelta(seconds=offset)
    return Trip(
        table=table,
        kind=KINDS[state],
        digest=place_digest(recording.digest, recording.part, number),
        sequence=number,
        offset_s=offset,
        duration_s=float(time[stop - 1] - time[first]),
        start=start,
        start_origin=recording.start_origin,
        continues=follows,
        findings=(
            *(f for f in recording.findings if f.code not in LOCAL and _concerns(f, first, stop)),
            *local_findings(examination.part(first, stop)),
        ),
    )


def _concerns(finding: Finding, first: int, stop: int) -> bool:
    """Whether a finding may speak of rows ``first`` to ``stop``; without rows it speaks of all.

    A finding lists only its first rows: behind them, further ones may lie anywhere.
    """
    if not finding.rows:
        return True
    if any(first <= row < stop for row in finding.rows):
        return True
    return finding.count > len(finding.rows) and finding.rows[-1] < stop
