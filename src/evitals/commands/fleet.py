"""``evitals fleet``: the ranked scorecard in the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from evitals.commands.common import home_option, json_option, print_json, print_table

if TYPE_CHECKING:
    from evitals.fleet.records import LatestRecord

SORTS = ["risk_score", "soh", "reference_sop_w", "vehicle_id", "event_s", "evidence_count"]


@click.command()
@click.option(
    "--sort", type=click.Choice(SORTS), default="risk_score", show_default=True, help="What ranks."
)
@click.option("--ascending", is_flag=True, help="Lowest first.")
@click.option("--search", default="", help="Part of a vehicle id.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=25,
    show_default=True,
    help="At most so many rows.",
)
@home_option
@json_option
def fleet(
    sort: str, ascending: bool, search: str, limit: int, home: Path | None, as_json: bool
) -> None:
    """The newest answer of every vehicle, worst first."""
    from evitals.fleet.open import open_store
    from evitals.fleet.records import FleetQuery
    from evitals.settings import Settings

    query = FleetQuery(
        sort=sort,  # type: ignore[arg-type]  # Choice holds it
        descending=not ascending,
        search=search,
        limit=limit,
    )
    store = open_store(Settings.load(home=home).home)
    try:
        page = store.fleet(query)
    finally:
        store.close()
    if as_json:
        print_json({"total": page.total, "vehicles": page.rows})
        return
    if not page.rows:
        click.echo(
            f"No vehicle that contains {search!r}" if search else "No vehicle has an answer yet"
        )
        return
    print_table(
        f"{len(page.rows)} of {page.total} vehicles",
        ["vehicle", "status", "risk", "SoH (90 %)", "power W", "evidence"],
        [_row(row) for row in page.rows],
    )


def _row(row: "LatestRecord") -> list[Any]:
    answer = row.prediction
    soh = (
        f"{answer.soh:.3f} ({answer.soh_low:.3f}-{answer.soh_high:.3f})"
        if answer.soh is not None
        else f"unknown: {', '.join(answer.reasons)}"
    )
    risk = None if answer.risk_score is None else f"{answer.risk_score:.3f}"
    power = None if answer.reference_sop_w is None else f"{answer.reference_sop_w:,.0f}"
    return [answer.vehicle_id, answer.status, risk, soh, power, answer.evidence_count]
