"""``evitals vehicles``: describe, list, show."""

import json
from pathlib import Path

import msgspec
from click.testing import CliRunner, Result

from evitals.battery import builtin, describe, dump_vehicle
from evitals.cli import main

ID = "bmw-i3-60ah"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_a_description_from_a_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = tmp_path / "van.json"
    vehicle = msgspec.structs.replace(describe(ID), vehicle_id="van-7", name="Van 7")
    path.write_bytes(msgspec.json.encode(vehicle))
    assert run("vehicles", "add", path, "--home", home).exit_code == 0
    shown = json.loads(run("vehicles", "show", "van-7", "--json", "--home", home).stdout)
    assert msgspec.convert(shown["vehicle"], type(vehicle)) == vehicle
    assert len(shown["history"]) == 1
    text = run("vehicles", "show", "van-7", "--home", home).stdout
    assert '"name": "Van 7"' in text
    assert "described once" in text


def test_a_built_in_description_under_another_id(tmp_path: Path) -> None:
    home = tmp_path / "home"
    result = run(
        "vehicles", "add", "--builtin", ID, "--as", "van-7", "--battery-id", "b2",
        "--group", "north", "--json", "--home", home,
    )  # fmt: skip
    vehicle = json.loads(result.stdout)["vehicle"]
    assert (vehicle["vehicle_id"], vehicle["battery_id"], vehicle["group"]) == (
        "van-7",
        "b2",
        "north",
    )
    assert vehicle["battery"] == dump_vehicle(describe(ID))["battery"]


def test_the_list_names_described_and_built_in_ones(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run("vehicles", "add", "--builtin", ID, "--as", "van-7", "--home", home)
    listed = json.loads(run("vehicles", "list", "--json", "--home", home).stdout)
    assert [v["vehicle_id"] for v in listed["vehicles"]] == ["van-7"]
    assert {v["vehicle_id"] for v in listed["builtin"]} == set(builtin())
    text = run("vehicles", "list", "--home", home)
    assert text.exit_code == 0
    assert "van-7" in text.stdout


def test_a_history_of_descriptions_is_kept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for battery in ("1", "2", "2"):
        arguments = ("--builtin", ID, "--as", "v", "--battery-id", battery)
        assert run("vehicles", "add", *arguments, "--home", home).exit_code == 0
    shown = json.loads(run("vehicles", "show", "v", "--json", "--home", home).stdout)
    assert sorted(h["battery_id"] for h in shown["history"]) == ["1", "2"]


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    bad = tmp_path / "bad.toml"
    bad.write_text('vehicle_id = "x"\n[battery]\nlevel = "galaxy"\n')
    cases = {
        "level": ("add", bad),
        "exactly one": ("add",),
        ID: ("add", "--builtin", "bmw-i3-60a"),
        "vehicle_id": ("add", "--builtin", ID, "--as", "a b"),
        "is not described": ("show", "nobody"),
    }
    for expected, arguments in cases.items():
        result = run("vehicles", *arguments, "--home", home)
        assert result.exit_code == 1, arguments
        assert expected in result.output
        assert "Traceback" not in result.output
