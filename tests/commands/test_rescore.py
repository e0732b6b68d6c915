"""``evitals rescore``: the same fold again, or another after a change of rules."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from evitals.cli import main

ID = "bmw-i3-60ah"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Five drives of a 57 Ah pack are known."""
    files = []
    for day in range(1, 6):
        time = pl.DataFrame({"time_s": [float(t) for t in range(1200)]})
        table = time.with_columns(
            current_a=pl.lit(-54.0 - day) + pl.col("time_s") % 7,
            voltage_v=pl.lit(370.0) - pl.col("time_s") / 100,
            soc=(0.9 - pl.col("time_s") * (51.0 + day) / 3600 / 57.0).round(3),
            temperature_degc=pl.lit(21.0),
            speed_mps=pl.lit(15.0) + pl.col("time_s") % 3,
            timestamp=pl.lit(f"2024-05-0{day}T08:00:00Z"),
        )
        files.append(tmp_path / f"{ID}_{day}.csv")
        table.write_csv(files[-1])
    folder = tmp_path / "home"
    assert run("ingest", *files, "--home", folder).exit_code == 0
    return folder


def latest(home: Path) -> dict[str, object]:
    shown = json.loads(run("vehicles", "show", ID, "--json", "--home", home).stdout)
    prediction: dict[str, object] = shown["latest"]["prediction"]
    prediction.pop("scored_s")
    return prediction


def test_nothing_changes_where_nothing_changed(home: Path) -> None:
    before = latest(home)
    assert before["evidence_count"] == 5
    result = run("rescore", "--json", "--home", home)
    [vehicle] = json.loads(result.stdout)["vehicles"]
    assert vehicle["soh"]["value"] == pytest.approx(57.0 / 60.0, rel=0.03)
    assert latest(home) == before
    assert "Rescored" in run("rescore", "--vehicle", ID, "--home", home).stdout


def test_another_rule_gives_another_answer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = latest(home)
    assert before["soh"] is not None
    monkeypatch.setenv("EVITALS_MIN_EVIDENCE", "9")
    run("rescore", "--home", home)
    after = latest(home)
    assert after["soh"] is None
    assert after["status"] == "Unknown"
    assert after["model"] != before["model"]


def test_an_unknown_vehicle_is_named(home: Path) -> None:
    result = run("rescore", "--vehicle", "nobody", "--home", home)
    assert result.exit_code == 1
    assert "nobody" in result.output
