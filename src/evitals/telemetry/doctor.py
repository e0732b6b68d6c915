"""What is wrong with a recording: counts, rows, and what to do. Nothing is changed silently.

`examine` runs every check; their codes are listed in docs/sources.md. `repair` only drops samples
that came twice; units and signs are never turned: a slip is an error and the recording is refused.
"""

import numpy as np
import polars as pl

from evitals.battery import Battery
from evitals.telemetry.checks import CHECKS
from evitals.telemetry.examination import Examination
from evitals.telemetry.recording import Finding, Recording, Trip
from evitals.telemetry.trips import cut


def examine(stretch: Recording | Trip, battery: Battery | None = None) -> list[Finding]:
    """All findings about a recording or a trip; checks that need ``battery`` do without it.

    Findings of the reader (``recording.findings``) are not repeated.
    """
    if not stretch.table.height:
        return []
    looked_at = stretch if isinstance(stretch, Recording) else stretch.table
    return Examination.of(looked_at, battery).findings(CHECKS)


def repair(recording: Recording, battery: Battery | None = None) -> Recording:
    """The recording without repeated samples; findings of ``examine`` are added to its own.

    Of samples with one time stamp the first is kept. Steps back in time stay: `trips.cut` splits
    there, and every trip gets the findings that concern it. Units and signs stay: their findings
    are errors, of every trip of the recording. The digest does not change.
    """
    return _repaired(recording, battery)[0]


def checked_trips(
    recording: Recording, battery: Battery | None = None
) -> tuple[Recording, list[Trip]]:
    """The recording as ``repair`` leaves it, and its trips as `trips.cut` cuts it: the same, but
    a trip that is the whole recording is not looked at twice."""
    repaired, examination = _repaired(recording, battery)
    return repaired, cut(repaired, battery, examination)


def _repaired(
    recording: Recording, battery: Battery | None
) -> tuple[Recording, Examination | None]:
    """The repaired recording, and its examination where one was made of just these samples."""
    if not recording.table.height:
        return recording, None
    examination = Examination.of(recording, battery)
    findings = (*recording.findings, *examination.findings(CHECKS))
    keep = np.concatenate([[True], np.diff(examination.chart.time) != 0.0])
    if keep.all():
        return recording.with_(findings=findings), examination
    table = recording.table.filter(pl.Series(keep))
    return recording.with_(table=table, findings=findings), None
