"""``evitals store`` and ``evitals fleet`` over a small real history."""

import json
import os
import time
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from evitals.cli import main
from evitals.service.demo import history, order
from evitals.settings import Settings

pytestmark = pytest.mark.xdist_group("store-commands")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home") / "demo"
    trips = list(history(order(2, 5, 8, 30, 1.5), Settings.load({}, home=folder)))
    assert len(trips) == 2
    assert sum(trips) > 10
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_fleet_lists_every_vehicle_worst_first(home: Path) -> None:
    page = json.loads(run("fleet", "--home", str(home), "--json"))
    assert page["total"] == 2
    scores = [row["prediction"]["risk_score"] for row in page["vehicles"]]
    known = [score for score in scores if score is not None]
    assert known == sorted(known, reverse=True)


def test_sizes_account_for_predictions_and_audit(home: Path) -> None:
    report = json.loads(run("store", "sizes", "--home", str(home), "--json"))
    parts = {table["part"] for table in report["tables"]}
    assert {"prediction", "audit"} <= parts
    assert report["predictions"] > 10
    assert all(table["bytes"] >= 0 for table in report["tables"])


def test_export_writes_parquet_with_the_same_rows(home: Path, tmp_path: Path) -> None:
    files = json.loads(run("store", "export", str(tmp_path), "--home", str(home), "--json"))
    rows = {Path(name).stem: pl.read_parquet(name).height for name in files["files"]}
    predictions = json.loads(run("store", "sizes", "--home", str(home), "--json"))["predictions"]
    assert predictions in rows.values()


def test_prune_keeps_what_is_young(home: Path) -> None:
    report = json.loads(run("store", "prune", "--keep-days", "3650", "--home", str(home), "--json"))
    assert report["deleted"] == 0


def test_prune_takes_the_samples_of_pruned_trips(tmp_path: Path) -> None:
    list(history(order(1, 5, 4, 30, 1.5), Settings.load({}, home=tmp_path)))
    kept = list(tmp_path.glob("samples/*/*.parquet"))
    assert kept
    before = time.time() - 7200.0
    for path in kept:
        os.utime(path, (before, before))
    report = json.loads(
        run("store", "prune", "--keep-days", "1", "--home", str(tmp_path), "--json")
    )
    assert report["samples_deleted"] == len(kept)
    assert not list(tmp_path.glob("samples/*/*.parquet"))
