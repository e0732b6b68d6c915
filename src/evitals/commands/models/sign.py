"""``evitals models sign``: sign a bundle."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json
from evitals.commands.models.common import about, signed_by


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Private key, from `evitals models keygen`.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the signed bundle there [default: in place of FILE].",
)
@json_option
def sign(file: Path, key: Path, out: Path | None, as_json: bool) -> None:
    """Sign the bundle FILE in place of any signature it has; its digest stays."""
    from evitals.models.bundle import load, read_file, signed
    from evitals.models.disk import refusing, replace

    data = signed(read_file(file), key)
    bundle = load(data)
    with refusing(file):
        replace(out or file, data)
    if as_json:
        print_json(about(bundle) | {"file": out or file})
        return
    click.echo(f"{out or file}: {bundle.name}, signed by {signed_by(bundle)}")
