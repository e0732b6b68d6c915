"""``evitals data import``: a publisher's files to tests that models learn from."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import home_option, json_option, print_json, progress_of, say
from evitals.commands.data.place import shelf_of


@click.command("import")
@click.argument("dataset_id", metavar="ID")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@home_option
@json_option
def import_(dataset_id: str, folder: Path | None, home: Path | None, as_json: bool) -> None:
    """Import a set from FOLDER: the publisher's files, their archives or the Parquet form.

    Without FOLDER what `evitals data fetch` downloaded is taken. Importing again adds nothing.
    """
    from evitals.telemetry.datasets import dataset
    from evitals.telemetry.datasets.importing import import_folder

    one = dataset(dataset_id)
    shelf = shelf_of(one.id, home)
    with progress_of(100, one.id) as advance:
        done = import_folder(
            one, folder or shelf.files, shelf, lambda have, total: advance(100 * have // total)
        )
    if as_json:
        print_json({"dataset": one.id, "folder": shelf.folder, **_plain(done)})
        return
    say(f"{done.files} files: {done.added} tests added, {done.known} there already")
    for name, reason in done.skipped:
        say(f"  skipped {name}: {reason}")
    say(f"cite: {one.citation}")


def _plain(done: object) -> dict[str, object]:
    import msgspec

    plain: dict[str, object] = msgspec.to_builtins(done)
    return plain
