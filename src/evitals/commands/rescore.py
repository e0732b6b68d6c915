"""``evitals rescore``: rebuild estimates from stored features."""

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from evitals.commands.common import home_option, json_option, print_json, print_table, progress

if TYPE_CHECKING:
    from evitals.fleet.store import Store

PAGE = 1000


@click.command()
@click.option("--vehicle", help="Only this vehicle.")
@home_option
@json_option
def rescore(vehicle: str | None, home: Path | None, as_json: bool) -> None:
    """Rebuild estimates from the stored trips, after a description or the model has changed.

    Every prediction is written anew; trips stay as they are.
    """
    from evitals.commands.report_text import shown
    from evitals.service.opened import opened
    from evitals.settings import Settings

    with opened(Settings.load(home=home), "evitals rescore") as pipeline:
        ids = [vehicle] if vehicle else _described(pipeline.store)
        steps = progress(ids, len(ids), "rescore")
        reports = [report for one in steps for report in pipeline.rescore(one)]
    if as_json:
        print_json({"vehicles": reports})
        return
    print_table(
        "Rescored",
        ["vehicle", "battery", "SoH", "status", "evidence"],
        [
            (r.vehicle_id, r.battery_id, shown(r.soh, 3), r.status, r.evidence_count)
            for r in reports
        ],
    )


def _described(store: "Store") -> list[str]:
    """Ids of all vehicles that have a description."""
    found: list[str] = []
    offset = 0
    while True:
        total, records = store.vehicles("", offset, PAGE)
        found += [r.vehicle_id for r in records if r.description is not None]
        offset += PAGE
        if offset >= total:
            return found
