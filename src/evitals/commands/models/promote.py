"""``evitals models promote``: switch an alias once the model proved itself."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json
from evitals.commands.models.common import models_option, open_registry, say_aliases


@click.command()
@click.argument("model")
@click.argument("version", required=False)
@click.option("--challenger", is_flag=True, help="Make it the challenger, not the champion.")
@models_option
@json_option
def promote(
    model: str,
    version: str | None,
    challenger: bool,
    folder: Path | None,
    trust: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make VERSION (default: the challenger) of MODEL the champion; the former one is kept.

    It is verified and proves its golden vectors on every engine here before the switch.
    """
    from evitals.models.proof import prove
    from evitals.models.registry import CHALLENGER, CHAMPION

    alias = CHALLENGER if challenger else CHAMPION
    aliases = open_registry(folder, trust).promote(model, version, alias, warm=prove)
    if as_json:
        print_json({"model": model, "aliases": aliases})
        return
    say_aliases(model, aliases)
