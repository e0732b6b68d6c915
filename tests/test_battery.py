"""Descriptions of batteries and vehicles."""

import json
from pathlib import Path

import msgspec
import pytest

from evitals.battery import (
    Battery,
    Limits,
    Vehicle,
    builtin,
    describe,
    dump_vehicle,
    load_vehicle,
    parse_vehicle,
)
from evitals.errors import InputError, UnknownVehicle

LIMITS = Limits(
    cell_voltage_min_v=2.8, cell_voltage_max_v=4.2, discharge_current_a=10, charge_current_a=4
)


def test_voltage_limits_scale_with_series() -> None:
    pack = describe("bmw-i3-60ah").battery
    assert pack.voltage_max_v == pytest.approx(96 * pack.limits.cell_voltage_max_v)
    assert pack.voltage_min_v == pytest.approx(96 * pack.limits.cell_voltage_min_v)


def test_a_cell_is_a_single_cell() -> None:
    with pytest.raises(InputError, match=r"2s1p.*is not a single cell"):
        Battery(level="cell", series=2, chemistry="NMC", reference_capacity_ah=3, limits=LIMITS)


def test_limits_in_the_wrong_order_are_refused() -> None:
    swapped = msgspec.structs.replace(LIMITS, cell_voltage_min_v=4.3)
    with pytest.raises(InputError, match="is not below cell_voltage_max_v"):
        Battery(level="cell", chemistry="NMC", reference_capacity_ah=3, limits=swapped)


@pytest.mark.parametrize("vehicle", builtin().values(), ids=lambda v: v.vehicle_id)
def test_builtin_descriptions_survive_json_and_state_their_source(vehicle: Vehicle) -> None:
    again = parse_vehicle(json.dumps(dump_vehicle(vehicle)).encode(), "again.json")
    assert again == vehicle
    assert vehicle.battery.source


def test_unknown_name_suggests_near_ones() -> None:
    with pytest.raises(UnknownVehicle, match="near: bmw-i3-60ah"):
        describe("bmw-i3-60a")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"vehicle_id": "../../etc/passwd"}, "vehicle_id"),
        ({"vehicle_id": ""}, "vehicle_id"),
        ({"colour": "red"}, "colour"),
        ({"battery": {"level": "module"}}, "battery"),
        ({"battery": {"reference_capacity_ah": -60}}, "reference_capacity_ah"),
        ({"battery": {"reference_capacity_ah": "sixty"}}, "reference_capacity_ah"),
        ({"battery": {"series": 10**9}}, "series"),
    ],
)
def test_a_bad_description_names_the_field(
    change: dict[str, object], named: str, tmp_path: Path
) -> None:
    plain = dump_vehicle(describe("bmw-i3-60ah"))
    for key, value in change.items():
        plain[key] = {**plain[key], **value} if isinstance(value, dict) else value
    file = tmp_path / "car.json"
    file.write_text(json.dumps(plain))
    with pytest.raises(InputError, match=named):
        load_vehicle(file)


def test_rubbish_is_not_a_description(tmp_path: Path) -> None:
    file = tmp_path / "car.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"car\.toml"):
        load_vehicle(file)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "No/Where"),
        ("timezone", "../../etc/passwd"),
        ("undated_start", "0001-01-01T00:00:00Z"),
        ("undated_start", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_vehicle_with_a_zone_or_start_of_no_clock_is_refused(field: str, value: str) -> None:
    text = msgspec.json.encode({**dump_vehicle(describe("bmw-i3-60ah")), field: value})
    with pytest.raises(InputError, match=field):
        parse_vehicle(text, "vehicle.json")
