"""``evitals demo``: a fleet with a past, then live trips, until it is told to stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest
from click.testing import CliRunner

from evitals.cli import main

VEHICLES = 2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "home"


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    """A running demo; told to stop, it must end by itself."""
    options = ["--vehicles", str(VEHICLES), "--port", "0", "--home", str(home)]
    code = "import sys; from evitals.cli import main; main(sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "demo", *options, "--speedup", "100000"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout
    said = [process.stdout.readline(), process.stdout.readline()]
    try:
        assert said[0].startswith(f"{VEHICLES} vehicles, "), said
        yield next(word for word in said[1].split() if word.startswith("http://"))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def newest(address: str) -> dict[str, str]:
    rows = httpx.get(f"{address}/v1/fleet").json()["rows"]
    return {row["vehicle_id"]: row["event_time"] for row in rows}


def test_the_past_is_known_and_the_fleet_goes_on(address: str, home: Path) -> None:
    rows = httpx.get(f"{address}/v1/fleet").json()["rows"]
    assert len(rows) == VEHICLES
    truth = pl.read_parquet(home / "truth.parquet")
    assert set(truth["vehicle_id"]) == {row["vehicle_id"] for row in rows}
    assert all(0.5 < row["soh_low"] < row["soh"] < row["soh_high"] for row in rows)
    before, until = newest(address), time.monotonic() + 60
    while newest(address) == before:
        assert time.monotonic() < until, "no live trip came in"
        time.sleep(0.2)


def test_only_a_demo_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("time_s")
    result = CliRunner().invoke(main, ["demo", "--port", "0", "--home", str(tmp_path)])
    assert result.exit_code == 1
    assert "holds no demo" in " ".join(result.output.replace("│", " ").split())
    assert (tmp_path / "mine.csv").exists()
