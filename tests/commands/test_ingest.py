"""``evitals ingest``: from an empty home to an answer."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from evitals.cli import main
from evitals.service.home import Home
from evitals.telemetry import SOURCES

ID = "bmw-i3-60ah"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def trip(folder: Path, name: str = "trip.csv", **columns: object) -> Path:
    """A short constant discharge."""
    table = pl.DataFrame({"time_s": [float(t) for t in range(600)]}).with_columns(
        current_a=pl.lit(-60.0) + pl.col("time_s") % 7,
        voltage_v=pl.lit(370.0) - pl.col("time_s") / 100,
        soc=(0.9 - pl.col("time_s") * 57.0 / 3600 / 60).round(3),
        temperature_degc=pl.lit(21.0),
        speed_mps=pl.lit(15.0) + pl.col("time_s") % 3,
        **{k: pl.lit(v) for k, v in columns.items()},
    )
    path = folder / name
    table.write_csv(path)
    return path


def document(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_published_trips(public_data: Path, tmp_path: Path) -> None:
    """The acceptance of the health estimate: from ``SoC``, interval, refusals, no OCV."""
    file = public_data / "bmw_i3_trips" / "trips_1hz.parquet"
    result = run("ingest", file, "--vehicle", ID, "--json", "--home", tmp_path / "home")
    assert result.exit_code == 0
    reply = document(result)
    assert list(reply)[-1] == "capacity_ah"
    capacity = reply["capacity_ah"]
    assert 61.0 <= capacity["value"] <= 62.5
    assert 1.0 <= capacity["high"] - capacity["low"] <= 4.0
    assert capacity["low"] < capacity["value"] < capacity["high"]
    assert capacity["method"] == "bms_soc"
    [vehicle] = reply["vehicles"]
    assert vehicle["capacity"]["ocv"]["value"] is None
    assert "no_rest" in vehicle["capacity"]["ocv"]["reasons"]
    assert vehicle["evidence_count"] > 30
    [found] = reply["files"]
    assert found["detection"]["why"]
    parts = {r["part"]: r for r in found["recordings"]}
    assert len(parts) == 53
    refused = [
        e["refused"]
        for t in parts["TripB02"]["trips"]
        for e in t["evidence"]
        if e["method"] == "bms_soc"
    ]
    assert refused
    assert all(refused)
    again = document(run("ingest", file, "--vehicle", ID, "--json", "--home", tmp_path / "home"))
    assert again["files"][0]["state"] == "duplicate"
    assert again["capacity_ah"] == capacity


def test_raw_trips_of_the_publisher(public_data: Path, tmp_path: Path) -> None:
    files = sorted((public_data / "raw_samples" / "bmw_i3").glob("Trip*.csv"))
    result = run("ingest", *files, "--vehicle", ID, "--json", "--home", tmp_path / "home")
    assert result.exit_code == 0
    reply = document(result)
    assert [f["state"] for f in reply["files"]] == ["stored"] * len(files)
    assert all("bmw" in f["detection"]["source"] for f in reply["files"])


def test_text_output_says_what_was_seen(tmp_path: Path) -> None:
    result = run("ingest", trip(tmp_path), "--vehicle", ID, "--home", tmp_path / "home")
    assert result.exit_code == 0
    assert "trip.csv: stored" in result.stdout
    assert "read as evitals" in result.stdout
    assert "drive 10 min" in result.stdout
    assert ID in result.stdout
    assert "bms_soc" in result.stdout


def test_text_output_folds_at_the_terminal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = trip(tmp_path)
    ingest = ("ingest", path, "--vehicle", ID, "--home", tmp_path / "home")
    monkeypatch.delenv("COLUMNS", raising=False)
    whole = run(*ingest).stdout.splitlines()
    monkeypatch.setenv("COLUMNS", "60")
    folded = run(*ingest).stdout.splitlines()
    assert max(map(len, folded)) <= 60 < max(map(len, whole))
    assert sum("because it is" in line for line in whole) == 1


def test_a_block_per_battery_says_value_interval_or_why_not(tmp_path: Path) -> None:
    lines = run(
        "ingest", trip(tmp_path), "--vehicle", ID, "--home", tmp_path / "home"
    ).stdout.splitlines()
    block = lines[lines.index("") + 1 :]
    assert block[0].startswith(f"{ID}, battery 1: ")
    said = {line[2:22].strip(): line[22:] for line in block[1:]}
    assert re.fullmatch(r"[\d.]+ Ah \([\d.]+ to [\d.]+\)|unknown: \w+", said["capacity, bms_soc"])
    assert said["capacity, ocv"].startswith("unknown: no_rest")
    assert said["evidence"].endswith("1 new trips")


def test_files_stay_where_they_are(tmp_path: Path) -> None:
    path = trip(tmp_path)
    before = path.read_bytes()
    run("ingest", path, "--vehicle", ID, "--home", tmp_path / "home")
    assert path.read_bytes() == before


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"\x00\xff" * 300)
    good = trip(tmp_path)
    result = run("ingest", good, bad, "--vehicle", ID, "--json", "--home", tmp_path / "h")
    assert result.exit_code == 1
    reply = document(result)
    assert [f["state"] for f in reply["files"]] == ["stored", "refused"]
    assert reply["files"][1]["reason"]
    assert bad.exists()
    assert reply["vehicles"][0]["new_trips"] == 1


def test_groups_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evitals.commands.ingest.TOGETHER", 2)
    files = [
        trip(tmp_path, f"{day}.csv", timestamp=f"2024-05-0{day}T08:00:00Z") for day in range(1, 6)
    ]
    result = run("ingest", *files, "--vehicle", ID, "--json", "--home", tmp_path / "home")
    reply = document(result)
    assert [f["name"] for f in reply["files"]] == [f.name for f in files]
    assert reply["vehicles"][0]["new_trips"] == 5
    assert reply["vehicles"][0]["evidence_count"] == 5


def test_two_batteries_of_a_vehicle_are_reported_each(tmp_path: Path) -> None:
    files = [
        trip(tmp_path, "1.csv", battery_id="1", vehicle_id=ID),
        trip(tmp_path, "2.csv", battery_id="2", vehicle_id=ID, ambient_degc=25.0),
    ]
    reply = document(run("ingest", *files, "--json", "--home", tmp_path / "home"))
    assert [(v["battery_id"], v["new_trips"]) for v in reply["vehicles"]] == [("1", 1), ("2", 1)]


def test_a_trip_said_of_two_batteries_counts_for_the_first(tmp_path: Path) -> None:
    files = [trip(tmp_path, f"{b}.csv", battery_id=b, vehicle_id=ID) for b in ("1", "2")]
    reply = document(run("ingest", *files, "--json", "--home", tmp_path / "home"))
    assert [(v["battery_id"], v["new_trips"]) for v in reply["vehicles"]] == [("1", 1), ("2", 0)]


def test_an_unknown_vehicle_is_held_and_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = trip(tmp_path, vehicle_id="van-7", timestamp="2024-05-01T08:00:00Z")
    result = run("ingest", path, "--json", "--home", home)
    assert result.exit_code == 1
    [file] = document(result)["files"]
    assert (file["state"], file["reason"]) == ("held", "unknown_vehicle")
    assert "van-7" in file["message"]
    assert path.exists()
    added = run("vehicles", "add", "--builtin", ID, "--as", "van-7", "--home", home, "--json")
    assert [f["state"] for f in document(added)["released"]] == ["stored"]
    again = document(run("ingest", path, "--json", "--home", home))
    assert again["files"][0]["state"] == "duplicate"


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--start", "yesterday", "ISO 8601"),
        ("--tz", "Mars/Olympus", "Mars/Olympus"),
        ("--source", "nonsense", "nonsense"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, option: str, value: str, expected: str) -> None:
    result = run(
        "ingest", trip(tmp_path), "--vehicle", ID, option, value, "--home", tmp_path / "home"
    )
    assert result.exit_code == 1
    assert expected in result.output


def test_start_and_zone_date_a_silent_file(tmp_path: Path) -> None:
    arguments = ("--start", "2024-05-01T08:00:00", "--tz", "Europe/Berlin")
    result = run(
        "ingest", trip(tmp_path), "--vehicle", ID, *arguments, "--json", "--home", tmp_path / "h"
    )
    [recording] = document(result)["files"][0]["recordings"]
    assert recording["start"] == "2024-05-01T06:00:00Z"
    assert recording["start_origin"] == "option"


def test_a_home_in_use_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.own("evitals serve at http://127.0.0.1:8420")
    result = run("ingest", trip(tmp_path), "--vehicle", ID, "--home", home.root)
    home.disown()
    assert result.exit_code == 1
    assert "http://127.0.0.1:8420" in result.output
    assert run("ingest", trip(tmp_path), "--vehicle", ID, "--home", home.root).exit_code == 0


@pytest.mark.parametrize("source", [source.name for source in SOURCES])
def test_a_named_source_refuses_what_is_not_its_own(tmp_path: Path, source: str) -> None:
    arguments = ("--vehicle", ID, "--source", source, "--json", "--home", tmp_path / "h")
    result = run("ingest", trip(tmp_path), *arguments)
    [file] = document(result)["files"]
    assert file["state"] == ("stored" if source == "evitals" else "refused")
