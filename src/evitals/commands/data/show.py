"""``evitals data show``: one set's citation, files and imported tests."""

from pathlib import Path
from typing import Any

import rich_click as click

from evitals.commands.common import home_option, json_option, print_json, print_table, say, short
from evitals.commands.data.place import shelf_of


@click.command()
@click.argument("dataset_id", metavar="ID")
@click.option("--tests", "each", is_flag=True, help="One row a test instead of one a profile.")
@home_option
@json_option
def show(dataset_id: str, each: bool, home: Path | None, as_json: bool) -> None:
    """How to cite a set, what to know of it, what was downloaded and imported."""
    from evitals.telemetry.datasets import dataset
    from evitals.telemetry.datasets.lock import read_lock

    one = dataset(dataset_id)
    shelf = shelf_of(one.id, home)
    locked, index = read_lock(shelf.files), shelf.index()
    if as_json:
        print_json({"dataset": one, "files": locked, "tests": index.to_dicts()})
        return
    say(one.title)
    say(f"cite: {one.citation}")
    say(f"licence: {one.licence}")
    say(f"from: {one.homepage}")
    for note in one.notes:
        say(f"know: {note}")
    if locked:
        print_table(
            "Downloaded",
            ["file", "MB", "SHA-256", "checked against"],
            [[n, short(f.size / 1e6), f.sha256[:16], f.trust] for n, f in locked.items()],
        )
    if not index.height:
        say(f"nothing imported yet: evitals data import {one.id} FOLDER")
        return
    header, rows = _each(index) if each else _profiles(index)
    print_table(f"{index.height} tests imported", header, rows)


def _each(index: Any) -> tuple[list[str], list[list[Any]]]:
    names = ["test_id", "cell", "profile", "ambient_degc", "samples", "sampling", "excluded"]
    return names, [[short(cell) for cell in row] for row in index.select(names).rows()]


def _profiles(index: Any) -> tuple[list[str], list[list[Any]]]:
    import polars as pl

    grouped = index.group_by("profile", "cell").agg(
        pl.len(),
        pl.col("ambient_degc").drop_nulls().unique().sort(),
        pl.col("duration_s").sum() / 3600.0,
        (pl.col("excluded") != "").sum(),
    )
    rows = [
        [row[0], row[1], row[2], " ".join(f"{t:g}" for t in row[3]), short(row[4]), row[5]]
        for row in grouped.sort("profile", "cell").rows()
    ]
    return ["profile", "cell", "tests", "ambient degC", "hours", "excluded"], rows
