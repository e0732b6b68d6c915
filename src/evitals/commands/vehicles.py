"""``evitals vehicles``: describe vehicles, list and show them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from evitals.commands.common import home_option, json_option, print_json, print_table
from evitals.errors import InputError

if TYPE_CHECKING:
    from evitals.battery import Vehicle


@click.group()
def vehicles() -> None:
    """Describe the vehicles (or cells on a bench) that are watched."""


@vehicles.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--builtin", "known", help="Take a built-in description by its id.")
@click.option("--as", "vehicle_id", help="Give it this vehicle id instead.")
@click.option("--battery-id", help="Id of the battery; a new one starts a new estimate.")
@click.option("--group", help="Group it belongs to.")
@home_option
@json_option
def add(
    file: Path | None,
    known: str | None,
    vehicle_id: str | None,
    battery_id: str | None,
    group: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Describe a vehicle from FILE (.toml or .json) or from a built-in description.

    Describing one anew rebuilds its estimate; files held for it are read now. A service that has
    the home is asked to do it.
    """
    from evitals.battery import describe, dump_vehicle, load_vehicle

    if (file is None) == (known is None):
        raise InputError(
            "FILE", file, "and --builtin exclude each other", "give exactly one of them"
        )
    vehicle = load_vehicle(file) if file else describe(str(known))
    changes = {"vehicle_id": vehicle_id, "battery_id": battery_id, "group": group}
    vehicle = _changed(dump_vehicle(vehicle), {k: v for k, v in changes.items() if v is not None})
    files = _describe(vehicle, home)
    if as_json:
        print_json({"vehicle": vehicle, "released": files})
        return
    click.echo(f"{vehicle.vehicle_id}, battery {vehicle.battery_id}: described")
    for found in files:
        said = f"{found['name']}, which waited for it: {found['state']} {found['reason']}"
        click.echo(f"  {said}".rstrip())


def _describe(vehicle: "Vehicle", home: Path | None) -> list[dict[str, Any]]:
    """Describe a vehicle here, or by the service that has the home; reports of files released."""
    import msgspec

    from evitals.errors import HomeInUse
    from evitals.service import owner
    from evitals.service.opened import opened
    from evitals.service.vehicles import put_vehicle
    from evitals.settings import Settings

    try:
        with opened(Settings.load(home=home), "evitals vehicles add") as pipeline:
            released = put_vehicle(pipeline.store, vehicle, pipeline)
    except HomeInUse as taken:
        return owner.describe(taken, vehicle)
    return [msgspec.to_builtins(file) for report in released for file in report.files]


@vehicles.command("list")
@click.option("--search", default="", help="Part of a vehicle id.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="At most so many rows.",
)
@home_option
@json_option
def list_(search: str, limit: int, home: Path | None, as_json: bool) -> None:
    """Vehicles in the store, and the built-in descriptions."""
    from evitals.battery import builtin
    from evitals.fleet.open import open_store
    from evitals.settings import Settings

    store = open_store(Settings.load(home=home).home)
    try:
        total, records = store.vehicles(search, 0, limit)
    finally:
        store.close()
    offered = {i: v for i, v in builtin().items() if search in i}
    if as_json:
        print_json({"total": total, "vehicles": records, "builtin": list(offered.values())})
        return
    stored = {r.vehicle_id for r in records}
    rows = [_row(r.vehicle_id, r.description, "described") for r in records]
    rows += [
        _row(v.vehicle_id, {"name": v.name, "battery": _plain(v)}, "built in")
        for v in offered.values()
        if v.vehicle_id not in stored
    ]
    print_table(
        f"{total} described, {len(offered)} built in",
        ["vehicle", "name", "cells", "Ah", ""],
        rows,
    )


@vehicles.command()
@click.argument("vehicle_id")
@home_option
@json_option
def show(vehicle_id: str, home: Path | None, as_json: bool) -> None:
    """A vehicle's description, its history and newest answer."""
    from evitals.fleet.open import open_store
    from evitals.service.known import get_vehicle
    from evitals.settings import Settings

    store = open_store(Settings.load(home=home).home)
    try:
        vehicle = get_vehicle(store, vehicle_id)
        history = store.description_history(vehicle_id)
        latest = store.latest(vehicle_id)
    finally:
        store.close()
    if as_json:
        print_json({"vehicle": vehicle, "history": history, "latest": latest})
        return
    print_json(vehicle)
    times = "once" if len(history) == 1 else f"{len(history)} times"
    click.echo(f"described {times}")
    if latest:
        answer = latest.prediction
        soh = (
            f"unknown ({', '.join(answer.reasons)})" if answer.soh is None else f"{answer.soh:.3f}"
        )
        click.echo(f"SoH {soh}, status {answer.status}, evidence {answer.evidence_count}")


def _changed(fields: dict[str, Any], changes: dict[str, str]) -> Any:
    """A description with some fields replaced, checked again. Raises InputError."""
    import msgspec

    from evitals.battery import parse_vehicle

    return parse_vehicle(msgspec.json.encode(fields | changes), "description.json")


def _plain(vehicle: Any) -> dict[str, Any]:
    import msgspec

    battery: dict[str, Any] = msgspec.to_builtins(vehicle.battery)
    return battery


def _row(vehicle_id: str, description: dict[str, Any] | None, origin: str) -> list[Any]:
    if description is None:
        return [vehicle_id, None, None, None, "not described"]
    battery = description["battery"]
    pack = f"{battery.get('series', 1)}s{battery.get('parallel', 1)}p {battery['chemistry']}"
    capacity = battery["reference_capacity_ah"]
    return [vehicle_id, description.get("name", ""), pack, capacity, origin]
