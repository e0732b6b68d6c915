"""``evitals models verify``: is a bundle whole, signed, and right on every engine here."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json
from evitals.commands.models.common import about, find, models_option, open_registry, signed_by


@click.command()
@click.argument("model")
@click.argument("which", required=False)
@models_option
@json_option
def verify(
    model: str, which: str | None, folder: Path | None, trust: tuple[str, ...], as_json: bool
) -> None:
    """Check MODEL (a file, or an id with WHICH) and its golden vectors on every engine here."""
    from evitals.models.proof import prove

    bundle = find(open_registry(folder, trust), model, which)
    checks = prove(bundle)
    if as_json:
        print_json(about(bundle) | {"checks": checks, "tolerance": bundle.golden.tolerance})
        return
    click.echo(f"{bundle.name}: whole, digest {bundle.digest}, signed by {signed_by(bundle)}")
    unit = bundle.manifest.output.unit
    for check in checks:
        result = (
            f"not tried: {check.note}"
            if check.error is None
            else f"golden vectors within {check.error:.1e} {unit} {check.note}".rstrip()
        )
        click.echo(f"  {check.engine}: {result}")
