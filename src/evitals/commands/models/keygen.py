"""``evitals models keygen``: a key pair to sign bundles with."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def keygen(file: Path, as_json: bool) -> None:
    """Write an Ed25519 private key to FILE (mode 0600) and its public key to FILE.pub."""
    from evitals.models.signing import fingerprint, generate

    public = generate(file)
    if as_json:
        print_json({"public_key": public, "fingerprint": fingerprint(public), "file": file})
        return
    click.echo(f"{file}: the private key, keep it secret")
    click.echo(f"{file}.pub: the public key, {fingerprint(public)}")
    click.echo(f"to trust it: EVITALS_TRUSTED_KEYS={public}")
