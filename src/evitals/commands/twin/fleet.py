"""``evitals twin fleet``: a fleet on disk, or sent to a service."""

import math
import os
from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json, progress_of

YEAR_DAYS = 365.25


@click.command()
@click.option(
    "--vehicles",
    type=click.IntRange(1, 100_000),
    default=10,
    show_default=True,
    help="How many vehicles.",
)
@click.option("--years", type=click.FloatRange(0.01, 50), help="Years they live.")
@click.option("--days", type=click.IntRange(1, 20_000), help="Days they live [default: 30].")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Another seed, another fleet.",
)
@click.option(
    "--trips-per-day",
    type=click.FloatRange(0.01, 12),
    default=3.0,
    show_default=True,
    help="Recordings a vehicle and day.",
)
@click.option("--rests/--no-rests", default=True, help="Record parking too.", show_default=True)
@click.option("--mix", help="Shares of models: bmw-i3-60ah=0.4,renault-zoe-ze50=0.6.")
@click.option("--places", help="Where its depots lie, comma separated [default: all known].")
@click.option(
    "--faults",
    type=click.FloatRange(0, 100),
    default=0.0,
    show_default=True,
    help="Faults a vehicle and year.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write into; an unfinished run of the same fleet goes on there.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["features", "parquet", "csv"]),
    default="features",
    show_default=True,
    help="Samples at 1 Hz: none, or Parquet, or CSV a recording.",
)
@click.option(
    "--sample",
    help="Vehicles whose samples are kept or sent: a number, or a share as 0.1 "
    "[default: all]; goes with --format or --to.",
)
@click.option("--to", help="Send samples: http://host:port, mqtt://host:port/topic or a folder.")
@click.option(
    "--speedup",
    type=click.FloatRange(0, min_open=True),
    help="Simulated seconds a second while sending [default: as fast as they are taken].",
)
@click.option("--workers", type=click.IntRange(1, 1024), help="How many [default: one a core].")
@click.option(
    "--engine",
    type=click.Choice(["threads", "processes", "ray"]),
    default="processes",
    show_default=True,
    help="What the workers are.",
)
@json_option
def fleet(
    vehicles: int,
    years: float | None,
    days: int | None,
    seed: int,
    trips_per_day: float,
    rests: bool,
    mix: str | None,
    places: str | None,
    faults: float,
    out: Path,
    form: str,
    sample: str | None,
    to: str | None,
    speedup: float | None,
    workers: int | None,
    engine: str,
    as_json: bool,
) -> None:
    """Simulate a fleet: features of every trip, samples of some, and its truth in files apart.

    The same order gives the same files, whatever the workers. Stopped, it goes on where it was.
    """
    from typing import Any, cast

    from evitals.service.deliver import check, deliver
    from evitals.service.simulate import Format, Order, simulate
    from evitals.service.workers import Engine

    if years is not None and days is not None:
        raise click.UsageError("give --years or --days, not both")
    if to is not None and form != "features":
        raise click.UsageError("give --to or --format, not both")
    wanted = to is not None or form != "features"
    sampled = _sample(sample, vehicles, wanted=wanted)
    order = Order(
        vehicles=vehicles,
        days=round(years * YEAR_DAYS) if years is not None else days or 30,
        seed=seed,
        trips_per_day=trips_per_day,
        rests=rests,
        mix=None if mix is None else _mix(mix),
        places=None if places is None else tuple(p.strip() for p in places.split(",")),
        faults=faults,
        format=cast(Format, form),
        sample=0 if to is not None else sampled,
    )
    if to is not None:
        check(to)
    report: dict[str, Any]
    try:
        with progress_of(vehicles, "Simulating vehicles") as advance:
            made = simulate(
                order,
                out,
                workers=workers or os.cpu_count() or 1,
                engine=cast(Engine, engine),
                progress=advance,
            )
        report = {name: getattr(made, name) for name in made.__struct_fields__}
        if to is not None:
            due = round(sampled * made.recordings / vehicles)
            with progress_of(due, "Sending recordings") as advance:
                report["sent"] = deliver(order, out, to, sampled, speedup, progress=advance)
    except KeyboardInterrupt:
        click.echo("Stopped; the same command goes on where it was.", err=True)
        raise SystemExit(130) from None
    if as_json:
        print_json(report)
        return
    click.echo(
        f"{report['recordings']:,} recordings of {vehicles:,} vehicles over {order.days:,} days, "
        f"{report['trips']:,} trips in features, in {out}"
    )
    if to is not None:
        click.echo(f"{report['sent']:,} recordings sent to {to}")


def _mix(text: str) -> dict[str, float]:
    """Shares by model. Raises UsageError."""
    try:
        pairs = [part.split("=") for part in text.split(",")]
        return {name.strip(): float(share) for name, share in pairs}
    except ValueError as error:
        raise click.UsageError(f"--mix {text}: write MODEL=SHARE,MODEL=SHARE") from error


def _sample(text: str | None, vehicles: int, *, wanted: bool) -> int:
    """How many vehicles: a number as it is, a share (with a point) of the fleet, rounded up."""
    if text is None:
        return vehicles if wanted else 0
    try:
        count = math.ceil(round(float(text) * vehicles, 6)) if "." in text else int(text)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"--sample {text}: give a number or a share as 0.1") from error
    if count and not wanted:
        raise click.UsageError(f"--sample {text}: give --format parquet or csv, or --to, as well")
    if not 0 <= count <= vehicles:
        raise click.UsageError(f"--sample {text}: give 0 to {vehicles}, or a share as 0.1")
    return count
