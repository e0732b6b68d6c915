"""``evitals models remove``: delete a version."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json
from evitals.commands.models.common import models_option, open_registry


@click.command()
@click.argument("model")
@click.argument("version")
@models_option
@json_option
def remove(
    model: str, version: str, folder: Path | None, trust: tuple[str, ...], as_json: bool
) -> None:
    """Delete VERSION of MODEL. The champion and the one to roll back to are refused."""
    open_registry(folder, trust).remove(model, version)
    if as_json:
        print_json({"removed": {"model": model, "version": version}})
        return
    click.echo(f"{model} {version}: removed")
