"""``evitals data list``: which sets there are, and what of them is here."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import home_option, json_option, print_json, print_table
from evitals.commands.data.place import shelf_of


@click.command("list")
@home_option
@json_option
def list_(home: Path | None, as_json: bool) -> None:
    """The known data sets, with licence and what is downloaded and imported here."""
    from evitals.telemetry.datasets import catalogue
    from evitals.telemetry.datasets.lock import read_lock

    rows = []
    for one in catalogue().values():
        shelf = shelf_of(one.id, home)
        rows.append(
            {
                "id": one.id,
                "cell": one.cell,
                "chemistry": one.chemistry,
                "licence": one.licence,
                "downloaded": len(read_lock(shelf.files)),
                "tests": shelf.index().height,
            }
        )
    if as_json:
        print_json(rows)
        return
    header = ["id", "cell", "chemistry", "licence", "files here", "tests here"]
    print_table("Public data sets", header, [list(row.values()) for row in rows])
