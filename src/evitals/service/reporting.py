"""Puts an ingest into words: reports of files, recordings and vehicles."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from evitals.battery import Vehicle
from evitals.errors import InputError
from evitals.estimators.answer import Answer
from evitals.estimators.estimate import unknown
from evitals.estimators.health import METHODS
from evitals.fleet.records import FileRecord, TripRecord
from evitals.service.fold import Folded
from evitals.service.prepare import Prepared
from evitals.service.received import FileInfo, Owned, Received
from evitals.service.report import (
    DetectionReport,
    FileReport,
    FindingReport,
    RecordingReport,
    TripReport,
    VehicleReport,
)
from evitals.telemetry import Reading

SHOWN = 20
"""How many unknown vehicles a message names."""


def file_report(
    received: Received,
    prepared: Mapping[int, Prepared],
    new: Collection[str],
    answers: Mapping[str, Answer],
) -> FileReport:
    """A file that was read. ``prepared`` is keyed by the recording's place in the file; ``new``
    are the digests of trips not stored before."""
    recordings = tuple(
        recording_report(owned, prepared.get(place), new, answers)
        for place, owned in enumerate(received.owned)
    )
    states = {r.state for r in recordings}
    report = FileReport(
        name=received.file.name,
        digest=received.file.digest,
        size_bytes=received.file.size_bytes,
        state="stored" if "stored" in states else "duplicate",
        detection=detection_report(received.reading),
        recordings=recordings,
    )
    return _as_held(report, received) if "held" in states else report


def refused_report(file: FileInfo, error: InputError, *, moved: bool) -> FileReport:
    """A file that could not be read; ``moved``: it lies in quarantine now."""
    return FileReport(
        name=file.name,
        digest=file.digest,
        size_bytes=file.size_bytes,
        state="quarantined" if moved else "refused",
        reason=error.reason,
        message=f"{error.field}: {error.value} {error.problem}",
        remedy=error.remedy,
    )


def recording_report(
    owned: Owned,
    prepared: Prepared | None,
    new: Collection[str],
    answers: Mapping[str, Answer],
) -> RecordingReport:
    """A recording: held where its vehicle is unknown, else its findings and trips."""
    seen = prepared.recording if prepared else owned.recording
    trips = prepared.trips if prepared else ()
    vehicle = prepared.vehicle if prepared else None
    repeated = bool(trips) and not any(t.digest in new for t in trips)
    return RecordingReport(
        name=seen.name,
        part=seen.part,
        source=seen.source,
        digest=seen.digest,
        vehicle_id=owned.wanted,
        battery_id=vehicle.battery_id if vehicle else None,
        state="held" if vehicle is None else "duplicate" if repeated else "stored",
        reason=held_reason(owned) if vehicle is None else "",
        rows=prepared.rows if prepared else seen.table.height,
        start=seen.start,
        start_origin=seen.start_origin,
        findings=tuple(FindingReport.of(f) for f in seen.findings),
        trips=tuple(_trip_report(t, t.digest in new, answers.get(t.digest)) for t in trips),
    )


def vehicle_report(vehicle: Vehicle, folded: Folded | None, new_trips: int) -> VehicleReport:
    """What is known about a vehicle's battery after a fold; None: no trip of it is dated."""
    if folded is None:
        nothing = unknown("no_dated_trip")
        return VehicleReport(
            vehicle_id=vehicle.vehicle_id,
            battery_id=vehicle.battery_id,
            new_trips=new_trips,
            event_time=None,
            soh=nothing,
            capacity=dict.fromkeys(METHODS, nothing),
            capacity_disagreement=None,
            resistance_growth=nothing,
            reference_sop_w=nothing,
            live_sop=(),
            risk_score=None,
            status="Unknown",
            evidence_count=0,
            reasons=nothing.reasons,
            capacity_ah=nothing,
        )
    answer = folded.answers[folded.last.digest]
    return VehicleReport(
        vehicle_id=vehicle.vehicle_id,
        battery_id=vehicle.battery_id,
        new_trips=new_trips,
        event_time=event_time(folded.last),
        soh=answer.soh,
        capacity=answer.capacity,
        capacity_disagreement=answer.capacity_disagreement,
        resistance_growth=answer.resistance_growth,
        reference_sop_w=answer.reference_sop_w,
        live_sop=answer.live_sop,
        risk_score=answer.risk_score,
        status=answer.status,
        evidence_count=answer.evidence_count,
        reasons=answer.reasons,
        capacity_ah=answer.capacity_ah,
    )


def file_record(report: FileReport, received_s: int) -> FileRecord:
    """A file's report as the row that is remembered."""
    owners = {r.vehicle_id for r in report.recordings} - {None}
    return FileRecord(
        digest=report.digest,
        name=report.name,
        state="quarantined" if report.state == "refused" else report.state,
        reason=report.reason,
        size_bytes=report.size_bytes,
        received_s=received_s,
        vehicle_id=owners.pop() if len(owners) == 1 else None,
        trips=sum(len(r.trips) for r in report.recordings),
    )


def detection_report(reading: Reading) -> DetectionReport:
    """What a file was taken for."""
    return DetectionReport(
        source=reading.detection.source,
        why=reading.detection.why,
        runner_up=reading.detection.runner_up,
    )


def held_reason(owned: Owned) -> str:
    """Why a recording waits."""
    return "unknown_vehicle" if owned.wanted else "no_vehicle"


def event_time(trip: TripRecord) -> datetime | None:
    """A trip's start as a date in UTC."""
    return None if trip.event_s is None else datetime.fromtimestamp(trip.event_s, UTC)


def _as_held(report: FileReport, received: Received) -> FileReport:
    waiting = [o for o in received.owned if o.vehicle is None]
    wanted = sorted({o.wanted for o in waiting if o.wanted})
    changes: dict[str, str] = {"state": "held", "reason": held_reason(waiting[0])}
    if wanted:
        changes["message"] = f"nobody has described {_listed(wanted)}"
        changes["remedy"] = "`evitals vehicles add` or PUT /v1/vehicles/{id}; it is read then"
    else:
        changes["message"] = "nothing names its vehicle"
        changes["remedy"] = (
            "name the vehicle: --vehicle, a vehicle_id column, "
            "or a file name that begins with the id of a described one"
        )
    return replace(report, **changes)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _trip_report(trip: TripRecord, new: bool, answer: Answer | None) -> TripReport:
    return TripReport(
        digest=trip.digest,
        sequence=trip.sequence,
        kind=trip.kind,  # type: ignore[arg-type]  # recordings hold no "test"
        state="new" if new else "duplicate",
        event_time=event_time(trip),
        event_assumed=trip.event_assumed,
        duration_s=trip.duration_s,
        findings=trip.findings,
        evidence=answer.evidence if answer else (),
    )
