"""What the commands of ``evitals models`` share: options, where a bundle comes from, lines."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from evitals.models.bundle import Bundle
    from evitals.models.registry import Aliases, Registry

F = TypeVar("F", bound=Callable[..., Any])


def models_option(function: F) -> F:
    """``--models``: the registry's folder; ``--trust``: public keys besides the trusted ones."""
    function = click.option(
        "--trust",
        multiple=True,
        help="A public key (or its .pub file) to trust; then a signature is required. Repeatable.",
    )(function)
    return click.option(
        "--models",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the registry [default: EVITALS_MODELS or evitals-models].",
    )(function)


def open_registry(folder: Path | None, trust: tuple[str, ...]) -> "Registry":
    """The registry the options and settings name."""
    from evitals.models.registry import Registry
    from evitals.models.signing import Trust
    from evitals.settings import Settings

    settings = Settings.load(models=folder)
    return Registry(settings.models, Trust.of([*settings.trusted_keys.split(","), *trust]))


def find(registry: "Registry", name: str, which: str | None) -> "Bundle":
    """A bundle, loaded: a file's, or a model of the registry by alias or version."""
    from evitals.models.bundle import SUFFIX, load, read_file
    from evitals.models.registry import CHAMPION

    if which is None and (name.endswith(SUFFIX) or "/" in name):
        return load(read_file(Path(name)), registry.trust)
    return registry.load(name, which or CHAMPION)


def about(bundle: "Bundle") -> dict[str, Any]:
    """A bundle as JSON shows it."""
    return {"manifest": bundle.manifest, "signer": bundle.signer, "bytes": len(bundle.data)}


def signed_by(bundle: "Bundle") -> str:
    """Who signed, in a few words."""
    from evitals.models.signing import fingerprint

    return fingerprint(bundle.signer) if bundle.signer else "nobody"


def say_aliases(model: str, aliases: "Aliases") -> None:
    """One line on what the aliases stand for now."""
    last = aliases.previous[-1] if aliases.previous else None
    roles = {"champion": aliases.champion, "challenger": aliases.challenger, "before": last}
    said = ", ".join(f"{role} {ref.version}" for role, ref in roles.items() if ref is not None)
    click.echo(f"{model}: {said}")
