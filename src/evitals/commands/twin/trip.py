"""``evitals twin trip``: one vehicle, one cycle, in numbers and as a recording."""

from pathlib import Path
from typing import Any

import rich_click as click

from evitals.commands.common import json_option, print_json, print_table, short


@click.command()
@click.option(
    "--vehicle",
    default="renault-zoe-ze50",
    show_default=True,
    help="A name (a wrong one lists the nearest) or a TOML file.",
)
@click.option(
    "--cycle",
    default="udds",
    show_default=True,
    help="udds, hwfet, us06, wltc3b, random, or a CSV file with time_s and speed_mps.",
)
@click.option("--soc", type=float, default=0.9, show_default=True, help="SoC at the start, 0..1.")
@click.option("--ambient", type=float, default=22.0, show_default=True, help="Air, degC.")
@click.option("--payload", type=float, default=0.0, show_default=True, help="Payload, kg.")
@click.option("--grade", type=float, default=0.0, show_default=True, help="Slope, rise over run.")
@click.option("--wind", type=float, default=0.0, show_default=True, help="Headwind, m/s.")
@click.option("--soh", type=float, default=1.0, show_default=True, help="Capacity over new.")
@click.option(
    "--regen",
    help="symmetric (as efficient as driving), fastsim (its rule) or none. [default: symmetric]",
)
@click.option(
    "--engine",
    default="twin",
    show_default=True,
    help="Who computes the power: twin, or fastsim (FASTSim 3, its own regeneration and air).",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Draws sensor errors and noise of --out, and the cycle random.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what the vehicle would report: .csv or .parquet.",
)
@json_option
def trip(out: Path | None, seed: int, as_json: bool, **wanted: Any) -> None:
    """Drive one cycle and report distance, energy, SoC and what could not be reached."""
    from msgspec import structs

    from evitals.twin import live
    from evitals.twin.trip import recorded

    driven = _drive(seed, **wanted)
    if out is not None:
        live.write_table(live.table(recorded(driven, seed)), out)
    report = driven.report
    if as_json:
        print_json(report)
        return
    print_table(
        f"{report.vehicle} on {report.cycle}",
        ["quantity", "value"],
        [(name, short(value)) for name, value in structs.asdict(report).items()],
    )
    if report.trace_miss_s > 0.0:
        behind = f"up to {report.trace_miss_mps:.2g} m/s behind for {report.trace_miss_s:g} s"
        click.echo(f"The car cannot follow this cycle: {behind}.")
    if report.unmet_kwh > 0.001:
        click.echo(f"The pack could not give {report.unmet_kwh:.3g} kWh of what was asked.")


def _drive(
    seed: int,
    vehicle: str,
    cycle: str,
    soc: float,
    ambient: float,
    payload: float,
    grade: float,
    wind: float,
    soh: float,
    regen: Any,
    engine: Any,
) -> Any:
    import numpy as np

    from evitals.twin import cycles, journeys
    from evitals.twin.trip import drive
    from evitals.twin.vehicle import vehicle_from

    conditions = {"ambient_degc": ambient, "headwind_mps": wind, "payload_kg": payload}
    if cycle == "random":
        rng = np.random.default_rng(seed)
        drawn = journeys.draw(rng, journeys.Style(), 1400.0)
        journey = journeys.under(drawn, grade=grade, **conditions)
    else:
        journey = journeys.over(cycles.cycle_from(cycle), grade=grade, **conditions)
    car = vehicle_from(vehicle)
    return drive(car, journey, soc=soc, soh=soh, regeneration=regen, engine=engine)
