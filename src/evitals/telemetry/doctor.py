"""What is wrong with a recording: counts, rows, and what to do. Nothing is changed silently.

`examine` runs every check; their codes are listed in docs/sources.md. `repair` only drops samples
that came twice; units and signs are never turned: a slip is an error and the recording is refused.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from evitals.battery import Battery
from evitals.telemetry.chart import chart_of
from evitals.telemetry.checks import CHECKS
from evitals.telemetry.recording import Finding, Recording, Trip


def examine(stretch: Recording | Trip, battery: Battery | None = None) -> list[Finding]:
    """All findings about a recording or a trip; checks that need ``battery`` do without it.

    Findings of the reader (``recording.findings``) are not repeated.
    """
    table = stretch.table
    if not table.height:
        return []
    level = stretch.level if isinstance(stretch, Recording) else None
    chart = chart_of(table, level)
    return [finding for check in CHECKS for finding in check(chart, battery)]


def repair(recording: Recording, battery: Battery | None = None) -> Recording:
    """The recording without repeated samples; findings of ``examine`` are added to its own.

    Of samples with one time stamp the first is kept. Steps back in time stay: `trips.cut` splits
    there, and every trip gets the findings that concern it. Units and signs stay: their findings
    are errors, of every trip of the recording. The digest does not change.
    """
    findings = (*recording.findings, *examine(recording, battery))
    time = recording.table["time_s"].to_numpy()
    keep = np.concatenate([[True], np.diff(time) != 0.0])[: len(time)]
    table = recording.table if keep.all() else recording.table.filter(pl.Series(keep))
    return recording.with_(table=table, findings=findings)


def fit_for_estimation(findings: Iterable[Finding]) -> bool:
    """Whether no finding is an error."""
    return all(finding.severity != "error" for finding in findings)
