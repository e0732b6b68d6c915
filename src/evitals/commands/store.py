"""``evitals store``: how large it is, export, retention."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from evitals.commands.common import home_option, json_option, print_json, print_table

if TYPE_CHECKING:
    from evitals.fleet.store import Store
    from evitals.settings import Settings


@click.group()
def store() -> None:
    """Look after what is remembered."""


@store.command()
@home_option
@json_option
def sizes(home: Path | None, as_json: bool) -> None:
    """Each table's rows and bytes, and bytes per 1,000 predictions."""
    opened, _ = _open(home)
    try:
        tables = opened.sizes()
    finally:
        opened.close()
    predictions = next((t.rows for t in tables if t.part == "prediction" and t.rows), 0)
    if as_json:
        print_json({"tables": tables, "predictions": predictions})
        return
    print_table(
        "Store",
        ["table", "part", "rows", "KB", "KB per 1,000 predictions"],
        [
            (
                t.table,
                t.part,
                f"{t.rows:,}",
                f"{t.bytes / 1000:,.1f}",
                f"{t.bytes / predictions:.1f}" if predictions else None,
            )
            for t in tables
        ],
    )


@store.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@home_option
@json_option
def export(folder: Path, home: Path | None, as_json: bool) -> None:
    """Write every table as Parquet into FOLDER."""
    opened, _ = _open(home)
    try:
        files = opened.export(folder)
    finally:
        opened.close()
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        click.echo(f"{file}  {file.stat().st_size:,} bytes")


@store.command()
@click.option("--keep-days", type=click.IntRange(1), help="Days to keep [default: the setting].")
@home_option
@json_option
def prune(keep_days: int | None, home: Path | None, as_json: bool) -> None:
    """Delete history older than --keep-days, and its samples; the daily rollup stays."""
    from evitals.service.samples import Samples

    opened, settings = _open(home)
    days = keep_days or settings.keep_days
    try:
        deleted = opened.prune(int(time.time()) - days * 86_400)
        swept = Samples(settings.home).sweep(opened.known_trips)
    finally:
        opened.close()
    if as_json:
        print_json({"keep_days": days, "deleted": deleted, "samples_deleted": swept})
        return
    click.echo(
        f"{deleted:,} rows older than {days:,} days deleted, and the samples of {swept:,} trips"
    )


def _open(home: Path | None) -> "tuple[Store, Settings]":
    from evitals.fleet.open import open_store
    from evitals.settings import Settings

    settings = Settings.load(home=home)
    return open_store(settings.home), settings
