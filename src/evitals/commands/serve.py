"""``evitals serve``: the service, its page and the watched folder."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import home_option


@click.command()
@home_option
@click.option("--host", help="Loopback address to bind to [default: EVITALS_HOST or 127.0.0.1].")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port; 0 takes a free one [default: EVITALS_PORT or 8420].",
)
def serve(home: Path | None, host: str | None, port: int | None) -> None:
    """Run the service; drop trip files into the home's incoming/ folder.

    Stops on Ctrl-C or SIGTERM after finishing what it accepted.
    """
    from evitals.service import run
    from evitals.settings import Settings

    settings = Settings.load(home=home, host=host, port=port)

    def announce(address: str) -> None:
        click.echo(f"evitals is at {address}")
        click.echo(f"Drop trip files into {settings.home / 'incoming'}")

    run.serve(settings, announce)
