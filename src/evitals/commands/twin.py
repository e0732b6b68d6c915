"""``evitals twin``: vehicles that do not exist, with truth that is known."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json, print_table, progress_of


@click.group()
def twin() -> None:
    """Simulate a trip or a fleet; judge the estimators against known truth."""


@twin.command()
@click.option(
    "--vehicle",
    default="renault-zoe-ze50",
    show_default=True,
    help="bmw-i3-60ah or renault-zoe-ze50.",
)
@click.option("--cycle", default="udds", show_default=True, help="udds, hwfet or us06.")
@json_option
def trip(vehicle: str, cycle: str, as_json: bool) -> None:
    """Drive one cycle and report distance, energy and SoC."""
    from msgspec import structs

    from evitals.twin.trip import trip as drive

    report = drive(vehicle, cycle)
    if as_json:
        print_json(report)
        return
    print_table(
        f"{vehicle} on {cycle}",
        ["quantity", "value"],
        [(name, _short(value)) for name, value in structs.asdict(report).items()],
    )


@twin.command()
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


@twin.command()
@click.option(
    "--vehicles",
    type=click.IntRange(2, 100_000),
    default=500,
    show_default=True,
    help="How many vehicles.",
)
@click.option(
    "--days", type=click.IntRange(2, 3650), default=90, show_default=True, help="Days they live."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=20_260_001,
    show_default=True,
    help="Another seed, another fleet.",
)
@click.option("--rests/--no-rests", default=True, help="With recorded parking.", show_default=True)
@json_option
def health(vehicles: int, days: int, seed: int, rests: bool, as_json: bool) -> None:
    """SoH error and coverage of the 90 % interval on a simulated fleet, one score a vehicle."""
    from evitals.service import witness

    with progress_of(vehicles, "Simulating and estimating") as advance:
        report = witness.score(vehicles, days, seed, rests, progress=advance)
    if as_json:
        print_json(report)
        return
    baselines = {f"baseline {name}": value for name, value in report.pop("baselines").items()}
    print_table(
        "Health against truth",
        ["figure", "value"],
        [(name, _short(value)) for name, value in {**report, **baselines}.items()],
    )


def _short(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(part)}" for name, part in value.items())
    return f"{value:.5g}" if isinstance(value, float) else value
