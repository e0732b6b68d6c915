"""``evitals twin trip`` and ``table``: from the command line to the service's door."""

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from evitals.cli import main
from evitals.twin import vehicle


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def report(*arguments: object) -> dict[str, Any]:
    result = run("twin", "trip", *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("name", vehicle.known())
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_services_door_takes_a_trip_like_a_recorded_one(
    tmp_path: Path, name: str, ending: str
) -> None:
    file, home = tmp_path / f"trip.{ending}", tmp_path / "home"
    report("--vehicle", name, "--cycle", "wltc3b", "--out", file)
    result = run("ingest", file, "--home", home, "--json")
    assert result.exit_code == 0, result.output
    (read,) = json.loads(result.stdout)["files"]
    assert read["state"] == "stored"
    (recording,) = read["recordings"]
    assert (recording["vehicle_id"], recording["findings"]) == (name, [])
    (driven,) = recording["trips"]
    assert (driven["kind"], driven["state"]) == ("drive", "new")


def test_an_lfp_trip_is_estimated_where_no_table_is_needed_and_refused_where_one_is(
    tmp_path: Path,
) -> None:
    file, home = tmp_path / "lfp.csv", tmp_path / "home"
    cycle = tmp_path / "long.csv"
    rows = "\n".join(f"{30.0 if 5 < t < 8000 else 0.0}" for t in range(8010))
    cycle.write_text(f"speed_mps\n{rows}\n", "utf-8")
    report("--vehicle", "tesla-model-3-rwd", "--cycle", cycle, "--out", file)
    result = run("ingest", file, "--home", home, "--json")
    assert result.exit_code == 0, result.output
    (read,) = json.loads(result.stdout)["files"]
    evidence = {e["method"]: e for e in read["recordings"][0]["trips"][0]["evidence"]}
    assert evidence["ocv"]["refused"] == "unsupported_chemistry"
    assert evidence["bms_soc"]["capacity_ah"] == pytest.approx(161.5, rel=0.1)


def test_a_recording_says_no_truth_and_is_seeded(tmp_path: Path) -> None:
    one, two, other = (tmp_path / f"{n}.csv" for n in "abc")
    for path, seed in ((one, 5), (two, 5), (other, 6)):
        report("--seed", seed, "--out", path)
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()
    columns = set(pl.read_csv(one, n_rows=1).columns)
    assert {"time_s", "current_a", "voltage_v", "soc", "vehicle_id", "timestamp"} <= columns
    assert not columns & {"soh", "capacity_ah", "true_soc"}
    assert not list(tmp_path.glob(".*.part"))


def test_conditions_reach_the_trip() -> None:
    base = report()
    assert base["energy_kwh_per_km"] == pytest.approx(0.109, abs=0.001)
    assert report("--regen", "fastsim")["energy_kwh_per_km"] == pytest.approx(0.113, abs=0.0005)
    assert report("--ambient", -10)["cabin_kwh"] > 0.5
    assert report("--payload", 300)["energy_kwh"] > base["energy_kwh"]
    assert report("--grade", 0.01)["energy_kwh"] > base["energy_kwh"]
    assert report("--wind", 5)["energy_kwh"] > base["energy_kwh"]
    assert report("--soc", 0.5)["soc_start"] == 0.5
    assert report("--soh", 0.7)["soc_end"] < base["soc_end"]


def test_a_random_journey_is_its_seeds() -> None:
    one = report("--cycle", "random", "--seed", 4)
    assert one["cycle"] == "random"
    assert one == report("--cycle", "random", "--seed", 4)
    assert one["distance_km"] != report("--cycle", "random", "--seed", 5)["distance_km"]


def test_what_the_motor_or_pack_cannot_is_said(tmp_path: Path) -> None:
    cycle = tmp_path / "steep.csv"
    rows = "\n".join(f"{t},{min(4 * t, 45)}" for t in range(60))
    cycle.write_text(f"time_s,speed_mps\n{rows}\n", "utf-8")
    output = run("twin", "trip", "--cycle", cycle, "--soc", 0.02).output
    assert "cannot follow" in output
    assert "m/s behind for" in output
    assert "could not give" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--vehicle", "tesla-model"], ["vehicle", "tesla-model-3-rwd"]),
        (["--cycle", "uddz"], ["cycle", "udds"]),
        (["--cycle", "none.csv"], ["none.csv"]),
        (["--vehicle", "none.toml"], ["none.toml"]),
        (["--soc", "2"], ["soc", "0 to 1"]),
        (["--ambient", "99"], ["ambient_degc"]),
        (["--payload", "-1"], ["payload_kg"]),
        (["--regen", "magic"], ["regen", "symmetric"]),
        (["--engine", "steam"], ["engine", "fastsim"]),
        (["--out", "trip.xlsx"], ["trip.xlsx", ".parquet"]),
        (["--out", "/proc/none/trip.csv"], ["cannot be written"]),
    ],
)
def test_bad_input_is_one_clear_line(arguments: list[str], words: list[str]) -> None:
    result = run("twin", "trip", *arguments)
    assert result.exit_code == 1
    flat = "".join(result.output.replace("│", " ").split())
    for word in words:
        assert "".join(word.split()) in flat


def test_without_fastsim_the_pip_line_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastsim", None)
    result = run("twin", "trip", "--engine", "fastsim")
    assert result.exit_code == 1
    assert "pip install 'evitals[fastsim]'" in result.output


def test_the_table_marks_what_is_wrong() -> None:
    output = run("twin", "table").output
    assert output.count("WRONG") == 7
    rows = json.loads(run("twin", "table", "--json").stdout)
    assert [row["figure"] for row in rows if not row["wrong"]] == ["duration"]
