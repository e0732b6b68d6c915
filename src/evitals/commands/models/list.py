"""``evitals models list``: every version, its aliases and digest."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from evitals.commands.common import json_option, print_json, print_table
from evitals.commands.models.common import models_option, open_registry, signed_by

if TYPE_CHECKING:
    from evitals.models.registry import Entry, Registry


@click.command("list")
@models_option
@json_option
def list_(folder: Path | None, trust: tuple[str, ...], as_json: bool) -> None:
    """Models in the registry and those that ship with evitals; a refused one says why."""
    registry = open_registry(folder, trust)
    rows = [_row(registry, entry) for entry in registry.entries()]
    if as_json:
        print_json({"folder": registry.folder, "models": rows})
        return
    print_table(
        f"{len(rows)} versions in {registry.folder}",
        ["model", "version", "is", "kind", "cell", "signed by", "digest", ""],
        [[row.get(name) for name in _COLUMNS] for row in rows],
    )


_COLUMNS = ("id", "version", "aliases", "kind", "cell", "signer", "digest", "note")


def _row(registry: "Registry", entry: "Entry") -> dict[str, Any]:
    from evitals.errors import EvitalsError

    row: dict[str, Any] = {
        "id": entry.id,
        "version": entry.version,
        "aliases": ", ".join(entry.aliases) or None,
        "note": "ships with evitals" if entry.builtin else "",
    }
    try:
        bundle = registry.read(entry.id, entry.version)
    except EvitalsError as error:
        return row | {"note": f"refused: {error}"}
    said = bundle.manifest
    return row | {
        "kind": said.kind,
        "cell": said.cell or said.chemistry,
        "signer": signed_by(bundle),
        "digest": bundle.digest[:12],
    }
