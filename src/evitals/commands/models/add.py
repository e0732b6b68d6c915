"""``evitals models add``: bring a bundle into the registry."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json
from evitals.commands.models.common import about, models_option, open_registry, signed_by


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@models_option
@json_option
def add(file: Path, folder: Path | None, trust: tuple[str, ...], as_json: bool) -> None:
    """Verify the bundle FILE and keep it; no alias changes. The same once more changes nothing."""
    from evitals.models.bundle import read_file

    bundle = open_registry(folder, trust).add(read_file(file))
    if as_json:
        print_json(about(bundle))
        return
    click.echo(f"{bundle.name}: added, digest {bundle.digest[:12]}, signed by {signed_by(bundle)}")
    click.echo(
        f"to serve it: evitals models promote {bundle.manifest.id} {bundle.manifest.version}"
    )
