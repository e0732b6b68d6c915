"""An ingest's report as text: a paragraph per file, a block per battery."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from evitals.estimators.estimate import Estimate

if TYPE_CHECKING:
    from evitals.service.report import FileReport, IngestReport, RecordingReport, VehicleReport

LABEL = 20


def report_lines(report: "IngestReport") -> Iterator[str]:
    """The report, line by line.

    Why a source was chosen is said once for files of one kind.
    """
    explained = set[str]()
    for file in report.files:
        yield from _file(file, explained)
    for vehicle in report.vehicles:
        yield ""
        yield from _vehicle(vehicle)


def shown(estimate: Estimate, digits: int, unit: str = "") -> str:
    """An estimate with its interval, or why it is unknown."""
    if estimate.value is None:
        return f"unknown: {', '.join(estimate.reasons)}"
    value = f"{estimate.value:,.{digits}f}{unit and ' '}{unit}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({estimate.low:,.{digits}f} to {estimate.high:,.{digits}f})"


def _file(file: "FileReport", explained: set[str]) -> Iterator[str]:
    read = f", read as {file.detection.source}" if file.detection else ""
    yield f"{file.name}: {file.state}{read}" + (f" ({file.reason})" if file.reason else "")
    if file.message:
        yield f"  {file.message}; {file.remedy}"
    if file.detection and file.detection.why not in explained:
        explained.add(file.detection.why)
        yield f"  because it is {file.detection.why}"
    for recording in file.recordings:
        yield from _recording(recording, file.name)


def _recording(recording: "RecordingReport", file_name: str) -> Iterator[str]:
    name = recording.part or recording.name
    head = "" if name == file_name else f"{name}, "
    when = f"{recording.start:%Y-%m-%d %H:%M} UTC" if recording.start else "undated"
    new = sum(trip.state == "new" for trip in recording.trips)
    became = f"{_kinds(recording)}, {new} new" if recording.trips else recording.state
    owner = recording.vehicle_id or "no vehicle"
    yield f"  {head}{owner}, {when} ({recording.start_origin}): {became}"
    for finding in recording.findings:
        if finding.severity != "info":
            yield f"    {finding.severity} {finding.code}: {finding.message}"
    for line in _evidence(recording):
        yield f"    {line}"


def _kinds(recording: "RecordingReport") -> str:
    """Its trips by kind: how many, how long in all."""
    minutes: dict[str, list[float]] = {}
    for trip in recording.trips:
        minutes.setdefault(trip.kind, []).append(trip.duration_s / 60)
    return ", ".join(
        f"{kind}{f' x{len(each)}' if len(each) > 1 else ''} {sum(each):.0f} min"
        for kind, each in minutes.items()
    )


def _evidence(recording: "RecordingReport") -> list[str]:
    """What was accepted, each; what was refused, counted by its reason."""
    brought = [evidence for trip in recording.trips for evidence in trip.evidence]
    accepted = [
        f"{e.method}: {e.capacity_ah:.1f} ± {e.sigma_ah or 0.0:.1f} Ah"
        for e in brought
        if not e.refused and e.capacity_ah is not None
    ]
    refused = Counter((e.method, e.refused) for e in brought if e.refused)
    return accepted + [
        f"{method}: refused, {reason}" + (f" x{count}" if count > 1 else "")
        for (method, reason), count in refused.items()
    ]


def _vehicle(vehicle: "VehicleReport") -> Iterator[str]:
    yield f"{vehicle.vehicle_id}, battery {vehicle.battery_id}: {vehicle.status}"
    rows = {f"capacity, {name}": shown(e, 1, "Ah") for name, e in vehicle.capacity.items()}
    rows["SoH"] = shown(vehicle.soh, 3)
    rows["resistance growth"] = shown(vehicle.resistance_growth, 2)
    rows["reference SoP"] = shown(vehicle.reference_sop_w, 0, "W")
    rows["risk score"] = "unknown" if vehicle.risk_score is None else f"{vehicle.risk_score:.3f}"
    rows["evidence"] = f"{vehicle.evidence_count}, {vehicle.new_trips} new trips"
    for label, value in rows.items():
        yield f"  {label:<{LABEL}}{value}"
