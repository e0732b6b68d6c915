"""``evitals twin health``: the estimators of health and power against known truth."""

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
    "--days", type=click.IntRange(2, 3650), default=1096, show_default=True, help="Days they live."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=20_260_001,
    show_default=True,
    help="Another seed, another fleet.",
)
@click.option("--rests/--no-rests", default=True, help="With recorded parking.", show_default=True)
@click.option(
    "--faults/--no-faults",
    default=False,
    help="One fault a vehicle, the kinds in turn.",
    show_default=True,
)
@json_option
def health(vehicles: int, days: int, seed: int, rests: bool, faults: bool, as_json: bool) -> None:
    """Error of SoH and of 10 s power, and coverage of 90 % intervals, one score a vehicle.

    Scored after 60 recordings and at the end, on a simulated fleet whose truth no estimator sees.
    """
    from evitals.service import witness

    trial = witness.Trial(vehicles=vehicles, days=days, seed=seed, rests=rests, faults=faults)
    with progress_of(vehicles, "Simulating and estimating") as advance:
        report = witness.score(trial, progress=advance)
    if as_json:
        print_json(report)
        return
    parts = {"after 60 recordings": report["early"], "at the end": report["end"]}
    parts |= {f"at the end, {kind}": found for kind, found in report.get("by_fault", {}).items()}
    for title, found in parts.items():
        print_table(f"Health against truth, {title}", ["figure", "value"], _rows(found))


def _rows(found: dict[str, object]) -> list[tuple[str, object]]:
    """A summary, a row a figure; what it holds of baselines and powers in rows of their own."""
    rows: list[tuple[str, object]] = []
    for name, value in found.items():
        if name in ("baselines", "power") and isinstance(value, dict):
            stem = "baseline" if name == "baselines" else "power"
            rows += [(f"{stem} {part}", short(figures)) for part, figures in value.items()]
        else:
            rows.append((name, short(value)))
    return rows
