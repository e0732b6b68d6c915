"""``evitals ingest``: files in, what they say about their batteries out."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from evitals.commands.common import home_option, json_option, print_json, progress, say
from evitals.errors import InputError

if TYPE_CHECKING:
    from evitals.estimators.estimate import Estimate
    from evitals.service.pipeline import Pipeline
    from evitals.service.received import Received
    from evitals.service.report import FileReport, IngestReport, VehicleReport

TOGETHER, LARGE = 200, 256 * 2**20
"""How many files, or bytes, share one commit, and so one replay where they come late."""


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--vehicle", help="Whose the files are; left out, each file or its name says so.")
@click.option("--source", help="Source to read them as; left out, it is detected.")
@click.option("--start", help="Event time of the first sample, ISO 8601, where a file is silent.")
@click.option("--tz", help="IANA time zone of stamps without one, such as Europe/Berlin.")
@home_option
@json_option
def ingest(
    files: tuple[Path, ...],
    vehicle: str | None,
    source: str | None,
    start: str | None,
    tz: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Read FILES, store their trips and answer what they say about the batteries.

    The files stay where they are; of one whose vehicle nobody has described a copy is held and
    read when it is. Trips that are known already change nothing. Exit code 1 where a file could
    not be read or is held.
    """
    from evitals.commands.report_text import report_lines
    from evitals.service.opened import opened
    from evitals.settings import Settings

    options = {"vehicle_id": vehicle, "source": source, "start": parse_start(start), "tz": tz}
    with opened(Settings.load(home=home), "evitals ingest") as pipeline:
        report = ingest_files(pipeline, files, options)
    if as_json:
        print_json(as_document(report))
    else:
        for line in report_lines(report):
            say(line)
    if any(file.state in ("refused", "held") for file in report.files):
        raise SystemExit(1)


def parse_start(text: str | None) -> datetime | None:
    """``--start`` as a date. Raises InputError naming what is allowed."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            "--start", text, "is not an ISO 8601 date", "write 2024-05-01T08:30:00+02:00"
        ) from None


def ingest_files(
    pipeline: "Pipeline", files: Sequence[Path], options: dict[str, Any]
) -> "IngestReport":
    """Ingest files in groups; one that cannot be read does not stop the others."""
    from evitals.service.report import FileReport, IngestReport

    reports: dict[int, FileReport] = {}
    vehicles: dict[tuple[str, str], VehicleReport] = {}
    group: dict[int, Received] = {}
    steps: Iterable[Path] = progress(files, len(files), "ingest")
    for place, path in enumerate(steps):
        got = _receive(pipeline, path, options)
        if isinstance(got, FileReport):
            reports[place] = got
        else:
            group[place] = got
        full = len(group) == TOGETHER or sum(g.file.size_bytes for g in group.values()) > LARGE
        if group and (full or place == len(files) - 1):
            brought = pipeline.commit(list(group.values()))
            reports |= dict(zip(group, brought.files, strict=True))
            _add_up(vehicles, brought.vehicles)
            group = {}
    for place, report in reports.items():
        if report.state == "held":
            pipeline.hold(files[place], files[place].name, report, options)
    in_order = tuple(reports[place] for place in range(len(files)))
    return IngestReport(files=in_order, vehicles=tuple(vehicles.values()))


def _add_up(
    vehicles: "dict[tuple[str, str], VehicleReport]", brought: "Iterable[VehicleReport]"
) -> None:
    """Keep the newest report of each vehicle's battery, with the trips of all groups."""
    from msgspec.structs import replace

    for report in brought:
        battery = report.vehicle_id, report.battery_id
        before = vehicles.get(battery)
        count = report.new_trips + (before.new_trips if before else 0)
        vehicles[battery] = replace(report, new_trips=count)


def as_document(report: "IngestReport") -> dict[str, Any]:
    """The report as JSON; where one vehicle was touched it ends with its ``capacity_ah``."""
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(report)
    if len(report.vehicles) == 1:
        document["capacity_ah"] = _capacity(report.vehicles[0].capacity_ah)
    return document


def _receive(pipeline: "Pipeline", path: Path, options: dict[str, Any]) -> "Received | FileReport":
    """What a file holds; a FileReport where it could not be read."""
    from evitals.service.home import shown_name
    from evitals.service.received import FileInfo
    from evitals.service.reporting import refused_report

    try:
        return pipeline.receive(path, **options)
    except InputError as error:
        info = FileInfo.unread(shown_name(path.name), path.stat().st_size)
        return refused_report(info, error, moved=False)


def _capacity(estimate: "Estimate") -> dict[str, Any]:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "method": estimate.source or None,
        "validity": estimate.validity,
        "reasons": list(estimate.reasons),
    }
