"""``evitals models show``: a model's card, manifest and aliases."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json
from evitals.commands.models.common import about, find, models_option, open_registry, signed_by


@click.command()
@click.argument("model")
@click.argument("which", required=False)
@models_option
@json_option
def show(
    model: str, which: str | None, folder: Path | None, trust: tuple[str, ...], as_json: bool
) -> None:
    """The card of MODEL: an id with an alias or version (WHICH, default champion), or a file."""
    bundle = find(open_registry(folder, trust), model, which)
    if as_json:
        print_json(about(bundle) | {"card": bundle.card})
        return
    click.echo(bundle.card_text)
    click.echo(f"digest {bundle.digest}, signed by {signed_by(bundle)}")
