"""A simulated fleet on disk: the same whatever the workers, and it goes on where it was."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest
from click.testing import CliRunner

from evitals.cli import main
from evitals.errors import InputError, StoreError
from evitals.features import FEATURES, unpack
from evitals.service.prepare import prepare
from evitals.service.simulate import PART_TRIPS, PARTS_AT_LEAST, Order, simulate
from evitals.service.workers import ENGINES, Engine
from evitals.telemetry import read
from evitals.twin.live import write_trip

ORDER = Order(vehicles=4, days=4, seed=5, trips_per_day=2.0, format="parquet", sample=2, faults=3.0)
ALL = ["twin", "fleet", "--days", "4", "--trips-per-day", "2", "--seed", "5"]


def files(out: Path) -> dict[str, bytes]:
    """All that a fleet's folder holds, by name."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != ".owner"
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fleet") / "whole"
    simulate(ORDER, out)
    return out


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_files_whatever_the_workers(engine: Engine, whole: Path, tmp_path: Path) -> None:
    if engine == "ray":
        pytest.importorskip("ray", reason="Ray is missing: pip install 'evitals[ray]'")
    report = simulate(ORDER, tmp_path / "fleet", workers=2, engine=engine)
    assert files(tmp_path / "fleet") == files(whole)
    assert report.recordings > 4 * 4
    assert report.trips >= report.recordings


def test_a_vehicle_is_the_same_in_a_larger_fleet(whole: Path, tmp_path: Path) -> None:
    simulate(Order(vehicles=2, days=4, seed=5, trips_per_day=2.0, faults=3.0), tmp_path / "two")
    small = pl.read_parquet(tmp_path / "two" / "features" / "*.parquet")
    large = pl.read_parquet(whole / "features" / "*.parquet")
    ids = small["vehicle_id"].unique()
    assert len(ids) == 2
    assert small.equals(large.filter(pl.col("vehicle_id").is_in(ids.implode())))


def test_features_are_those_that_the_door_gives(whole: Path, tmp_path: Path) -> None:
    fleet = ORDER.fleet()
    vehicle = fleet.vehicle(0)
    rows = pl.read_parquet(whole / "features" / "*.parquet").filter(
        pl.col("vehicle_id") == vehicle.vehicle_id
    )
    for number, trip in zip(range(3), fleet.trips(0), strict=False):
        (recording,) = read(write_trip(trip, tmp_path)).recordings
        door = prepare(recording, vehicle).trips
        mine = rows.filter(pl.col("recording") == number)
        assert mine["kind"].to_list() == [t.kind for t in door]
        assert [int(s.timestamp()) for s in mine["start"]] == [t.event_s for t in door]
        stored = np.stack([unpack(t.features) for t in door])
        made = mine.select(f.name for f in FEATURES).to_numpy()
        assert np.array_equal(made, stored, equal_nan=True)


def test_samples_of_some_enter_by_the_door_and_truth_lies_apart(whole: Path) -> None:
    kept = sorted((whole / "trips").glob("*.parquet"))
    assert len({path.name[:9] for path in kept}) == ORDER.sample
    features = pl.read_parquet(whole / "features" / "*.parquet")
    for path in kept:
        found = read(path).recordings
        assert all(recording.source == "evitals" for recording in found)
        of = features.filter(pl.col("vehicle_id") == found[0].vehicle_id)
        assert len(found) == of["recording"].n_unique()
        assert found[0].start == of["start"].min()
    truth = pl.read_parquet(whole / "truth.parquet")
    assert truth.height == ORDER.vehicles * ORDER.days
    assert {"capacity_ah", "soh", "resistance_growth"} < set(truth.columns)
    faults = pl.read_parquet(whole / "faults.parquet")
    assert faults.columns == ["vehicle_id", "kind", "day", "size"]
    shown = {*features.columns, *pl.read_parquet(kept[0]).columns}
    assert not shown & {"capacity_ah", "soh", "resistance_growth", "usable_ah"}


def test_stopped_it_goes_on_and_writes_nothing_twice(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "fleet"

    def stop(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(ORDER, out, workers=2, engine="threads", progress=stop)
    parts = {p: p.stat().st_mtime_ns for p in (out / "features").iterdir()}
    assert 2 <= len(parts) < 4
    (out / "features" / ".part-00003.parquet.part").write_bytes(b"half")
    seen: list[int] = []
    simulate(ORDER, out, progress=seen.append)
    assert seen == list(range(len(parts), 5))
    assert files(out) == files(whole)
    assert {p: p.stat().st_mtime_ns for p in parts} == parts


def test_a_vehicle_that_records_nothing_has_no_rows(tmp_path: Path) -> None:
    order = Order(vehicles=5, days=1, seed=1, trips_per_day=0.3)
    report = simulate(order, tmp_path / "fleet")
    rows = pl.read_parquet(tmp_path / "fleet" / "features" / "*.parquet")
    assert 0 < rows["vehicle_id"].n_unique() < 5
    assert report.recordings < 5
    assert pl.read_parquet(tmp_path / "fleet" / "truth.parquet").height == 5


def test_another_fleet_in_the_same_folder_is_refused(whole: Path, tmp_path: Path) -> None:
    other = Order(vehicles=4, days=4, seed=6, trips_per_day=2.0, format="parquet", sample=2)
    with pytest.raises(InputError, match=r"faults 3\.0 there, 0\.0 asked for.*seed 5 there, 6"):
        simulate(other, whole)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="is not empty and no fleet"):
        simulate(ORDER, tmp_path)
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet" / "order.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        simulate(ORDER, tmp_path / "fleet")


@pytest.mark.parametrize(("vehicles", "days"), [(1, 1), (70, 30), (1000, 1826), (100_000, 365)])
def test_a_part_is_bounded_and_every_vehicle_is_in_one(vehicles: int, days: int) -> None:
    order = Order(vehicles=vehicles, days=days, seed=1)
    chunks = order.chunks()
    assert [c.first for c in chunks] + [vehicles] == [0] + [c.stop for c in chunks]
    assert max(c.size for c in chunks) * days * order.trips_per_day <= PART_TRIPS
    assert len(chunks) >= min(vehicles, PARTS_AT_LEAST) / 2


def test_one_process_at_a_time(tmp_path: Path) -> None:
    def again(done: int) -> None:
        with pytest.raises(StoreError, match="is being written by another process"):
            simulate(ORDER, tmp_path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(ORDER, tmp_path, progress=again)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"vehicles": 0}, "vehicles"),
        ({"days": 0}, "days"),
        ({"trips_per_day": 0.0}, "trips_per_day"),
        ({"mix": {"renault-zo": 1.0}}, "model_mix"),
        ({"format": "excel"}, "format"),
        ({"format": "csv", "sample": 11}, "sample"),
        ({"sample": 1}, "sample"),
        ({"faults": -1.0}, "fault_rate"),
        ({"places": ("atlantis",)}, "place"),
    ],
)
def test_orders_that_cannot_be_are_refused(
    wrong: dict[str, object], field: str, tmp_path: Path
) -> None:
    given = {"vehicles": 10, "days": 3, "seed": 1} | wrong
    with pytest.raises(InputError, match=field):
        simulate(Order(**given), tmp_path / "fleet")  # type: ignore[arg-type]
    assert not (tmp_path / "fleet" / "features").exists()


def test_a_full_disk_is_said_and_the_rest_is_made_later(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "fleet"
    write, room = Path.write_bytes, 150_000

    def full(path: Path, content: bytes) -> int:
        nonlocal room
        room -= len(content)
        if room < 0:
            write(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, content)

    options = ["--vehicles", "4", "--format", "parquet", "--sample", "0.5", "--faults", "3"]
    arguments = [*ALL, *options, "--out", str(out), "--workers", "1"]
    monkeypatch.setattr(Path, "write_bytes", full)
    failed = CliRunner().invoke(main, arguments)
    assert failed.exit_code == 1
    said = " ".join(failed.output.replace("│", " ").split())
    assert "No space left on device" in said
    assert "then give the same command again" in said
    assert not list(out.rglob("*.part"))
    monkeypatch.undo()
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["vehicles"] == 4
    assert files(out) == files(whole)


MAIN = "import sys; from evitals.cli import main; main(sys.argv[1:])"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ended_from_outside_no_worker_stays_and_it_goes_on(
    how: signal.Signals, tmp_path: Path
) -> None:
    out = tmp_path / "fleet"
    arguments = [*ALL[:2], "--vehicles", "70", "--days", "30", "--out", str(out), "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120.0
    while not list(out.glob("features/part-*")):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert psutil.wait_procs(children, timeout=30)[1] == []
    done = len(list(out.glob("features/part-*")))
    assert 0 < done < 35
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "Stopped; the same command goes on" in said
    seen: list[int] = []
    short = Order(vehicles=70, days=30, seed=1)

    def stop(vehicles: int) -> None:
        seen.append(vehicles)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(short, out, workers=1, progress=stop)
    assert seen == [2 * done, 2 * done + 2]
