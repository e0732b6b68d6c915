"""``evitals twin fleet``: a fleet on disk."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json


@click.command()
@click.option(
    "--vehicles",
    type=click.IntRange(1, 100_000),
    default=10,
    show_default=True,
    help="How many vehicles.",
)
@click.option(
    "--days", type=click.IntRange(1, 20_000), default=30, show_default=True, help="Days they live."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Another seed, another fleet.",
)
@click.option("--rests/--no-rests", default=True, help="Record parking too.", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write into.",
)
@json_option
def fleet(vehicles: int, days: int, seed: int, rests: bool, out: Path, as_json: bool) -> None:
    """Write a fleet: descriptions, trips as CSV, and truth.parquet that no estimator reads."""
    from evitals.twin.fleet import Fleet
    from evitals.twin.live import write_fleet

    trips = write_fleet(Fleet(vehicles, days, seed, rests=rests), out)
    report = {"vehicles": vehicles, "days": days, "seed": seed, "trips": trips, "folder": str(out)}
    if as_json:
        print_json(report)
        return
    click.echo(f"{trips:,} trips of {vehicles:,} vehicles over {days:,} days in {out}")
