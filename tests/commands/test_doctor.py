"""``evitals doctor``: findings without a store."""

import json
from pathlib import Path

import polars as pl
from click.testing import CliRunner, Result

from evitals.cli import main

ID = "bmw-i3-60ah"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def trip(folder: Path, current_sign: float = 1.0) -> Path:
    time = pl.DataFrame({"time_s": [float(t) for t in range(900)]})
    table = time.with_columns(
        current_a=current_sign * (pl.lit(-60.0) + pl.col("time_s") % 7),
        voltage_v=pl.lit(370.0) - pl.col("time_s") / 100 + 0.1 * (pl.col("time_s") % 7),
        soc=(0.9 - pl.col("time_s") * 57.0 / 3600 / 60).round(3),
        speed_mps=pl.lit(15.0) + pl.col("time_s") % 3,
    )
    path = folder / "trip.csv"
    table.write_csv(path)
    return path


def test_a_good_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    result = run("doctor", trip(tmp_path), "--vehicle", ID, "--home", home)
    assert result.exit_code == 0
    assert "read as evitals" in result.stdout
    assert "900 rows" in result.stdout
    assert not home.exists()


def test_a_flipped_sign_is_an_error(tmp_path: Path) -> None:
    path = trip(tmp_path, current_sign=-1.0)
    result = run("doctor", path, "--json", "--home", tmp_path / "home")
    assert result.exit_code == 1
    [recording] = json.loads(result.stdout)["files"][0]["recordings"]
    assert "sign_flip" in {f["code"] for f in recording["findings"]}
    text = run("doctor", path, "--home", tmp_path / "home")
    assert "error sign_flip" in text.stdout


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"")
    result = run("doctor", bad, trip(tmp_path), "--json", "--home", tmp_path / "home")
    assert result.exit_code == 1
    files = json.loads(result.stdout)["files"]
    assert files[0]["problem"]["reason"]
    assert "bad.csv" in files[0]["problem"]["message"]
    assert files[1]["recordings"]


def test_an_unknown_vehicle_names_near_ones(tmp_path: Path) -> None:
    result = run("doctor", trip(tmp_path), "--vehicle", "bmw-i3", "--home", tmp_path / "home")
    assert result.exit_code == 1
    assert ID in result.output


def test_the_stuck_current_of_a_published_trip(public_data: Path, tmp_path: Path) -> None:
    file = public_data / "bmw_i3_trips" / "trips_1hz.parquet"
    result = run("doctor", file, "--vehicle", ID, "--json", "--home", tmp_path / "home")
    recordings = {r["part"]: r for r in json.loads(result.stdout)["files"][0]["recordings"]}
    codes = {f["code"] for f in recordings["TripB02"]["findings"]}
    assert "stuck_sensor" in codes
