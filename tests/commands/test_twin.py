"""``evitals twin``: a trip and a fleet from the command line."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from evitals.cli import main


def test_trip_defaults_to_the_zoe_on_udds() -> None:
    result = CliRunner().invoke(main, ["twin", "trip", "--json"])
    report = json.loads(result.output)
    assert (report["vehicle"], report["cycle"]) == ("renault-zoe-ze50", "udds")
    assert abs(report["distance_km"] - 11.99) < 0.01
    assert abs(report["energy_kwh_per_km"] - 0.109) < 0.002


def test_an_unknown_vehicle_is_named() -> None:
    result = CliRunner().invoke(main, ["twin", "trip", "--vehicle", "renault-zoe"])
    assert result.exit_code == 1
    assert "renault-zoe-ze50" in result.output


def test_fleet_writes_descriptions_features_trips_and_a_separate_truth(tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    arguments = ["twin", "fleet", "--vehicles", "2", "--days", "3", "--out", str(out), "--json"]
    arguments += ["--format", "csv", "--workers", "1"]
    report = json.loads(CliRunner().invoke(main, arguments).output)
    trips = sorted((out / "trips").glob("*.csv"))
    assert len(trips) == report["recordings"] > 0
    assert len(list((out / "vehicles").glob("*.json"))) == 2
    features = pl.read_parquet(out / "features" / "*.parquet")
    assert features.height == report["trips"] >= report["recordings"]
    for table in (features, pl.read_parquet(out / "truth.parquet")):
        assert set(table["vehicle_id"]) == {path.stem for path in (out / "vehicles").iterdir()}
    assert not {"capacity_ah", "soh"} & {
        *pl.read_csv(trips[0], n_rows=1).columns,
        *features.columns,
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--years", "1", "--days", "3"], "--years or --days, not both"),
        (["--format", "csv", "--to", "here"], "--to or --format, not both"),
        (["--sample", "3"], "give 0 to 2"),
        (["--sample", "many"], "give a number or a share"),
        (["--mix", "renault-zoe-ze50"], "write MODEL=SHARE"),
        (["--mix", "renault-zo=1"], "use one of"),
        (["--to", "ftp://somewhere"], "is no address to send to"),
        (["--to", "mqtt://127.0.0.1:1"], "names no host and topic"),
    ],
)
def test_what_a_fleet_cannot_be_is_said(wrong: list[str], said: str, tmp_path: Path) -> None:
    arguments = ["twin", "fleet", "--vehicles", "2", "--days", "1", "--workers", "1"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "fleet"), *wrong])
    assert result.exit_code != 0
    assert said in " ".join(result.output.replace("│", " ").split())


def test_a_share_of_the_fleet_keeps_its_samples(tmp_path: Path) -> None:
    arguments = ["twin", "fleet", "--vehicles", "3", "--days", "4", "--workers", "1", "--json"]
    arguments += ["--format", "parquet", "--sample", "0.5", "--out", str(tmp_path / "fleet")]
    report = json.loads(CliRunner().invoke(main, arguments).output)
    assert report["kept_vehicles"] == 2
    assert len(list((tmp_path / "fleet" / "trips").iterdir())) == 2


def test_health_is_printed_and_given_as_json() -> None:
    arguments = ["twin", "health", "--vehicles", "2", "--days", "70", "--seed", "9"]
    report = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).output)
    assert report["early"]["answered"] == report["end"]["answered"] == 2
    shown = CliRunner().invoke(main, [*arguments, "--faults", "--no-rests"])
    assert shown.exit_code == 0
    assert "after 60 recordings" in shown.output
    assert "at the end, weak_cell" in shown.output
    assert "power discharge" in shown.output
