"""``evitals twin``: a trip and a fleet from the command line."""

import json
from pathlib import Path

import polars as pl
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


def test_fleet_writes_descriptions_trips_and_a_separate_truth(tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    arguments = ["twin", "fleet", "--vehicles", "2", "--days", "3", "--out", str(out), "--json"]
    report = json.loads(CliRunner().invoke(main, arguments).output)
    trips = sorted((out / "trips").glob("*.csv"))
    assert len(trips) == report["trips"] > 0
    assert len(list((out / "vehicles").glob("*.json"))) == 2
    assert set(pl.read_parquet(out / "truth.parquet")["vehicle_id"]) == {
        path.stem for path in (out / "vehicles").iterdir()
    }
    assert "capacity_ah" not in pl.read_csv(trips[0], n_rows=1).columns
