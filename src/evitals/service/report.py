"""What one ingest answers: files, their recordings and trips, and the vehicles they changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from evitals.estimators.answer import Evidence, Method, PowerLimit, Status
from evitals.estimators.estimate import Estimate
from evitals.telemetry.recording import Finding, Kind, Severity, StartOrigin

RecordingState = Literal["stored", "duplicate", "held"]
FileOutcome = Literal["stored", "duplicate", "held", "quarantined", "refused"]
"""``refused``: it could not be read and was left where it is."""
TripState = Literal["new", "duplicate"]


class FindingReport(Struct, frozen=True, kw_only=True):
    """What a check saw in a recording: how many rows, the first of them, and what to do."""

    code: str
    severity: Severity
    count: int
    rows: tuple[int, ...]
    signal: str
    message: str
    remedy: str

    @classmethod
    def of(cls, finding: Finding) -> "FindingReport":
        """The finding as plain data."""
        return cls(
            code=finding.code,
            severity=finding.severity,
            count=finding.count,
            rows=tuple(int(row) for row in finding.rows),
            signal=finding.signal,
            message=finding.message,
            remedy=finding.remedy,
        )


class TripReport(Struct, frozen=True, kw_only=True):
    """A drive, charge or rest: whether it was new, and the evidence it brought or why none.

    ``event_time`` is None where unknown: such a trip is stored but enters no estimate.
    """

    digest: str
    sequence: int
    kind: Kind
    state: TripState
    event_time: datetime | None
    event_assumed: bool
    duration_s: float
    findings: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class RecordingReport(Struct, frozen=True, kw_only=True):
    """A recording: whose it is, what the checks found, its trips. ``reason`` says why held."""

    name: str
    part: str
    source: str
    digest: str
    vehicle_id: str | None
    battery_id: str | None
    state: RecordingState
    reason: str
    rows: int
    start: datetime | None
    start_origin: StartOrigin
    findings: tuple[FindingReport, ...] = ()
    trips: tuple[TripReport, ...] = ()


class DetectionReport(Struct, frozen=True, kw_only=True):
    """What a file was taken for, and why."""

    source: str
    why: str
    runner_up: str | None = None


class FileReport(Struct, frozen=True, kw_only=True):
    """A file or message and what became of it. ``reason`` is a stable snake_case code."""

    name: str
    digest: str
    size_bytes: int
    state: FileOutcome
    reason: str = ""
    message: str = ""
    remedy: str = ""
    detection: DetectionReport | None = None
    recordings: tuple[RecordingReport, ...] = ()

    def as_reason(self, options: Mapping[str, object] | None = None) -> dict[str, Any]:
        """What stands beside a held or quarantined file. ``options`` were said when it came."""
        waiting = {r.vehicle_id for r in self.recordings if r.state == "held" and r.vehicle_id}
        return {
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "message": self.message,
            "remedy": self.remedy,
            "vehicle_ids": sorted(waiting),
            "digest": self.digest,
            "options": {k: v for k, v in (options or {}).items() if v is not None},
        }


class VehicleReport(Struct, frozen=True, kw_only=True):
    """All that is known about a touched vehicle's battery after the ingest.

    ``status`` is Unknown and the estimates are unknown where no dated trip exists yet.
    """

    vehicle_id: str
    battery_id: str
    new_trips: int
    event_time: datetime | None
    soh: Estimate
    capacity: dict[Method, Estimate]
    capacity_disagreement: float | None
    resistance_growth: Estimate
    reference_sop_w: Estimate
    live_sop: tuple[PowerLimit, ...]
    risk_score: float | None
    status: Status
    evidence_count: int
    reasons: tuple[str, ...]
    capacity_ah: Estimate


class IngestReport(Struct, frozen=True, kw_only=True):
    """What came in and what it changed. A returned report means: committed."""

    files: tuple[FileReport, ...]
    vehicles: tuple[VehicleReport, ...] = ()

    @property
    def held(self) -> bool:
        """Whether anything waits for a vehicle's description."""
        return any(file.state == "held" for file in self.files)
