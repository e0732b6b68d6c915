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

import numpy as np
import numpy.typing as npt
import polars as pl

from evitals.battery import Battery
from evitals.telemetry.checks import LOCAL, local_findings
from evitals.telemetry.digest import place_digest
from evitals.telemetry.examination import Examination
from evitals.telemetry.gaps import GAP_MAX_S, GAP_S, GAP_STEPS
from evitals.telemetry.pieces import Pieces, cut_rows
from evitals.telemetry.recording import Finding, Kind, Recording, Trip
from evitals.telemetry.stuck import STANDING_MPS

REST_S = 300.0
CHARGE_S = 120.0
PAUSE_S = 60.0
REST_C_RATE = 1 / 50
PACK_REST_A, CELL_REST_A = 1.0, 0.05
"""Rest current where no battery is given; a pack is what has more than `CELL_TOP_V` volts."""
CELL_TOP_V = 6.0

KINDS: tuple[Kind, ...] = ("rest", "charge", "drive")
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
    pieces = pieces_of(chart.time, chart.current, chart.speed, limit).tolist()
    return [_trip(recording, examination, number, piece) for number, piece in enumerate(pieces)]


def pieces_of(time_s: Floats, current_a: Floats, speed_mps: Floats, limit_a: float) -> Pieces:
    """Where arrays (n,) of a recording are cut, as ``pieces.cut_rows`` (m, 4): first row, row
    after the last, state, whether it follows. ``limit_a`` is the rest current, NaN is missing."""
    rules = np.array(
        [STANDING_MPS, limit_a, REST_S, CHARGE_S, PAUSE_S, GAP_S, GAP_STEPS, GAP_MAX_S]
    )
    pieces: Pieces = cut_rows(_seen(time_s), _seen(current_a), _seen(speed_mps), rules)
    return pieces


def _seen(values: Floats) -> Floats:
    """Contiguous and read-only, whatever came: one compiled version serves all."""
    view = np.ascontiguousarray(values, dtype=np.float64).view()
    view.flags.writeable = False
    return view


def rest_current_a(table: pl.DataFrame, battery: Battery | None) -> float:
    """The current below which a battery rests, A."""
    if battery is not None:
        return rest_limit_a(battery)
    top = table["voltage_v"].max() if "voltage_v" in table.columns else None
    return PACK_REST_A if isinstance(top, float) and top > CELL_TOP_V else CELL_REST_A


def rest_limit_a(battery: Battery) -> float:
    """The current below which a battery of this description rests, A."""
    fraction = REST_C_RATE * battery.reference_capacity_ah
    return max(fraction, 2 * battery.sensors.current_resolution_a)


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
