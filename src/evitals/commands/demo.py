"""``evitals demo``: a small simulated fleet, its history, and the live service."""

import shutil
from pathlib import Path

import rich_click as click

from evitals.commands.common import progress

HISTORY_DAYS = 30
LEAD_DAYS = 180
"""The show starts this long ago, so that simulated time does not overtake the clock."""
TRIPS_PER_DAY = 1.5
DEFAULT_HOME = Path("demo")


@click.command()
@click.option(
    "--vehicles",
    type=click.IntRange(1, 500),
    default=24,
    show_default=True,
    help="How many vehicles.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=7,
    show_default=True,
    help="Another seed, another fleet.",
)
@click.option(
    "--speedup",
    type=click.FloatRange(1, 1e5),
    default=1500,
    show_default=True,
    help="Simulated seconds per second.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8420,
    show_default=True,
    help="Port; 0 takes a free one.",
)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_HOME,
    show_default=True,
    help="Folder of the demo; an earlier demo in it is replaced.",
)
def demo(vehicles: int, seed: int, speedup: float, port: int, home: Path) -> None:
    """Simulate a fleet whose truth is known, learn its history, then watch it live.

    Trips enter as files through the watched folder, as real ones would. The truth and a few
    faults lie in twin/ of the home, which nothing but you reads. Stops on Ctrl-C.
    """
    import multiprocessing

    from evitals.service import demo as show
    from evitals.service import run
    from evitals.settings import Settings

    settings = Settings.load(home=home, port=port)
    run.check_host(settings.host)
    port = run.free_port(settings.host, settings.port)
    settings = Settings.load(home=home, port=port)
    _clear(home, show.MARKER)
    order = show.order(vehicles, seed, HISTORY_DAYS, LEAD_DAYS, TRIPS_PER_DAY)
    steps = progress(show.history(order, settings), total=vehicles, label="Simulating the past")
    trips = sum(steps)
    click.echo(f"{vehicles} vehicles, {trips:,} trips of {HISTORY_DAYS} days in {home}")
    feeder = multiprocessing.get_context("spawn").Process(
        target=show.feed, args=(order, settings.home, speedup), daemon=True
    )

    def announce(address: str) -> None:
        feeder.start()
        click.echo(f"Watch the fleet live: {address}  (Ctrl-C ends it)")

    try:
        run.serve(settings, announce)
    finally:
        if feeder.pid is not None:
            feeder.terminate()
            feeder.join()


def _clear(home: Path, marker: str) -> None:
    """Remove an earlier demo, and only that."""
    if (home / marker).exists():
        shutil.rmtree(home)
    elif home.exists() and any(home.iterdir()):
        raise click.ClickException(f"{home} exists and holds no demo: give another --home")
