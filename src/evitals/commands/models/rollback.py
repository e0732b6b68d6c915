"""``evitals models rollback``: the former champion again."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json
from evitals.commands.models.common import models_option, open_registry, say_aliases


@click.command()
@click.argument("model")
@models_option
@json_option
def rollback(model: str, folder: Path | None, trust: tuple[str, ...], as_json: bool) -> None:
    """Make the former champion of MODEL the champion again, once it proved itself again."""
    from evitals.models.proof import prove

    aliases = open_registry(folder, trust).rollback(model, warm=prove)
    if as_json:
        print_json({"model": model, "aliases": aliases})
        return
    say_aliases(model, aliases)
