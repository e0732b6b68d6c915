"""``evitals doctor``: what is wrong with files, without storing anything."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from evitals.commands.common import home_option, json_option, print_json, say
from evitals.errors import InputError

if TYPE_CHECKING:
    from evitals.battery import Vehicle
    from evitals.settings import Settings


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--vehicle", help="Described or built-in vehicle: checks limits and capacity too.")
@click.option("--source", help="Source to read them as; left out, it is detected.")
@home_option
@json_option
def doctor(
    files: tuple[Path, ...],
    vehicle: str | None,
    source: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Check FILES: sign flips, unit slips, gaps, sentinels, stuck sensors and more.

    Nothing is stored. Exit code 1 where a finding is an error or a file cannot be read.
    """
    from evitals.settings import Settings

    settings = Settings.load(home=home)
    known = _vehicle(settings, vehicle) if vehicle else None
    reports = [_examine(path, known, source, settings) for path in files]
    if as_json:
        print_json({"files": reports})
    else:
        for report in reports:
            _print(report)
    bad = any(
        "problem" in report
        or any(f["severity"] == "error" for r in report["recordings"] for f in r["findings"])
        for report in reports
    )
    if bad:
        raise SystemExit(1)


def _vehicle(settings: "Settings", vehicle_id: str) -> "Vehicle":
    """A described vehicle where there is a store already, else a built-in one."""
    from evitals.battery import describe
    from evitals.fleet.open import open_store
    from evitals.service.known import get_vehicle

    if not settings.home.is_dir():
        return describe(vehicle_id)
    store = open_store(settings.home)
    try:
        return get_vehicle(store, vehicle_id)
    finally:
        store.close()


def _examine(
    path: Path, vehicle: "Vehicle | None", source: str | None, settings: "Settings"
) -> dict[str, Any]:
    """A file's detection and findings, or its problem."""
    from msgspec import to_builtins

    from evitals.service.report import FindingReport
    from evitals.service.reporting import detection_report
    from evitals.telemetry import doctor as checks
    from evitals.telemetry import read

    try:
        reading = read(path, as_source=source, vehicle=vehicle, max_bytes=settings.max_file_bytes)
    except InputError as error:
        problem = {"reason": error.reason, "message": str(error)}
        return {"name": path.name, "problem": problem, "recordings": []}
    battery = vehicle.battery if vehicle else None
    recordings = [
        {
            "part": recording.part,
            "vehicle_id": recording.vehicle_id,
            "rows": recording.table.height,
            "signals": recording.table.columns,
            "start": recording.start,
            "start_origin": recording.start_origin,
            "findings": [
                to_builtins(FindingReport.of(f))
                for f in (*recording.findings, *checks.examine(recording, battery))
            ],
        }
        for recording in reading.recordings
    ]
    detection = to_builtins(detection_report(reading))
    return {"name": path.name, "detection": detection, "recordings": recordings}


def _print(report: dict[str, Any]) -> None:
    if "problem" in report:
        say(f"{report['name']}: {report['problem']['reason']}")
        say(f"  {report['problem']['message']}")
        return
    found = report["detection"]
    say(f"{report['name']}: read as {found['source']}: {found['why']}")
    for recording in report["recordings"]:
        label = recording["part"] or "recording"
        say(f"  {label}: {recording['rows']:,} rows, {', '.join(recording['signals'])}")
        for finding in recording["findings"]:
            rows = ", ".join(map(str, finding["rows"]))
            say(
                f"    {finding['severity']} {finding['code']} x{finding['count']:,}: "
                f"{finding['message']}" + (f" (rows {rows})" if rows else "")
            )
            if finding["remedy"]:
                say(f"      {finding['remedy']}")
        if not recording["findings"]:
            say("    nothing found")
