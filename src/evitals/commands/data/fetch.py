"""``evitals data fetch``: download a set from its publisher."""

from collections.abc import Callable
from pathlib import Path

import rich_click as click

from evitals.commands.common import home_option, json_option, print_json, progress_of, say
from evitals.commands.data.place import shelf_of
from evitals.errors import InputError


@click.command()
@click.argument("dataset_id", metavar="ID")
@click.option("--file", "names", multiple=True, help="Only this file, or a pattern such as *UDDS*.")
@click.option("--dry-run", is_flag=True, help="Say what would be downloaded.")
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=4 * 2**30,
    show_default=True,
    help="Refuse a larger file.",
)
@home_option
@json_option
def fetch(
    dataset_id: str,
    names: tuple[str, ...],
    dry_run: bool,
    max_bytes: int,
    home: Path | None,
    as_json: bool,
) -> None:
    """Download a set's files from its publisher: resumed, checked, recorded.

    A checksum the publisher does not give is recorded at the first download (trust on first use).
    """
    from fnmatch import fnmatchcase

    from evitals.telemetry.datasets import dataset
    from evitals.telemetry.datasets.fetch import fetch as download
    from evitals.telemetry.datasets.listing import published

    one = dataset(dataset_id)
    files = published(one)
    chosen = [f for f in files if not names or any(fnmatchcase(f.name, n) for n in names)]
    if not chosen:
        known = ", ".join(f.name for f in files[:10])
        raise InputError("--file", ", ".join(names), "names no file", f"there are {known}")
    folder = shelf_of(one.id, home).files
    if not as_json:
        say(f"{one.citation}; licence {one.licence}")
    done = []
    for file in chosen if not dry_run else []:
        with progress_of(100, file.name) as advance:
            found = download(file, folder, max_bytes=max_bytes, progress=_percent(advance))
        done.append({"file": file.name, "already": found.already, **_plain(found.locked)})
        if not as_json:
            how = "there already" if found.already else f"checked against {found.locked.trust}"
            say(
                f"{file.name}: {found.locked.size} bytes, SHA-256 {found.locked.sha256[:16]}, {how}"
            )
    if as_json:
        print_json({"dataset": one.id, "folder": folder, "chosen": chosen, "files": done})
        return
    if dry_run:
        for file in chosen:
            say(f"{file.name}: {file.size or 'size unknown'}, {file.url}")
        return
    say(f"next: evitals data import {one.id}")


def _percent(advance: Callable[[int], None]) -> Callable[[int, int | None], None]:
    return lambda have, total: advance(100 * have // total if total else 0)


def _plain(record: object) -> dict[str, object]:
    import msgspec

    plain: dict[str, object] = msgspec.to_builtins(record)
    return plain
