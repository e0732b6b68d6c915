"""``evitals twin trip``: one vehicle, one cycle, in numbers."""

import rich_click as click

from evitals.commands.common import json_option, print_json, print_table, short


@click.command()
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
        [(name, short(value)) for name, value in structs.asdict(report).items()],
    )
