"""``evitals twin health``: the health estimator against known truth."""

import rich_click as click

from evitals.commands.common import json_option, print_json, print_table, progress_of, short


@click.command()
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
        [(name, short(value)) for name, value in {**report, **baselines}.items()],
    )
