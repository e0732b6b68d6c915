"""Files that cannot be read: quarantined with a reason that helps, and nothing else changes."""

import io
import threading
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import psutil
import pytest

from evitals.service.intake import Intake
from evitals.service.pipeline import Pipeline

from .conftest import ID, Drop
from .made_up import csv, drive


def parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("[Content_Types].xml", "<x/>")
    return buffer.getvalue()


HEADER = csv(drive()).split(b"\n")[0] + b"\n"
UNREADABLE = {
    "empty.csv": b"",
    "blank.csv": b"\n\n\n",
    "header_only.csv": HEADER,
    "rubbish.csv": np.random.default_rng(0).bytes(5000),
    "rubbish.parquet": b"PAR1" + np.random.default_rng(1).bytes(5000) + b"PAR1",
    "half.parquet": parquet(drive())[:4000],
    "rubbish.xlsx": zipped(),
    "rubbish.mat": b"MATLAB 5.0 MAT-file" + bytes(200),
    "utf16.csv": csv(drive()).decode().encode("utf-16"),
    "other_columns.csv": b"a,b,c\n1,2,3\n",
    "no_current.csv": csv(drive().drop("current_a")),
    "words.csv": HEADER + b"hier,stehen,nur,worte,und,keine,zahlen\n" * 50,
    "json.ndjson": b'{"time_s": 1, "current_a": [1,2]}\n',
    "deep.ndjson": b"[" * 50_000,
    "page.csv": b"<!doctype html><html><body>Sign in</body></html>\n" * 20,
    "one_long_line.csv": b"1," * 900_000,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_it_is_quarantined_with_its_reason(pipeline: Pipeline, drop: Drop, name: str) -> None:
    before = pipeline.store.trend(ID), pipeline.store.latest(ID)
    data = UNREADABLE[name]
    file = drop(data, f"{ID}_{name}").files[0]
    assert file.state == "quarantined"
    assert file.reason not in ("", "invalid", "internal_error")
    assert file.message
    assert file.remedy
    assert len(file.message) < 400
    moved = pipeline.home.quarantine / f"{ID}_{name}"
    assert moved.read_bytes() == data
    reason = msgspec.json.decode(moved.with_name(moved.name + ".reason.json").read_bytes())
    assert reason["reason"] == file.reason
    assert [f.reason for f in pipeline.store.files("quarantined")] == [file.reason]
    assert (pipeline.store.trend(ID), pipeline.store.latest(ID)) == before


def test_a_repaired_file_of_the_same_name_is_read(pipeline: Pipeline, drop: Drop) -> None:
    assert drop(HEADER).files[0].state == "quarantined"
    assert drop(csv(drive())).files[0].state == "stored"


@pytest.mark.parametrize("start", [HEADER, HEADER + b"1," * 20_000, HEADER + b"1" * 200_000])
def test_two_gigabytes_of_one_line_in_bounded_memory(pipeline: Pipeline, start: bytes) -> None:
    """A sparse file: its zeros are a line without an end, and weigh nothing on the disk."""
    path = pipeline.home.incoming / f"{ID}_huge.csv"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(2 * 2**30)
    process = psutil.Process()
    before, peak, done = process.memory_info().rss, [0], threading.Event()

    def look() -> None:
        while not done.wait(0.002):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=look)
    watcher.start()
    claimed = pipeline.home.claim(path)
    assert claimed is not None
    report = Intake(pipeline).take(claimed)
    done.set()
    watcher.join()
    assert report.files[0].state == "quarantined"
    assert report.files[0].reason in ("too_large", "not_a_table", "long_line")
    assert peak[0] - before < 64 * 2**20


def test_a_line_without_end_below_the_size_limit(pipeline: Pipeline, drop: Drop) -> None:
    file = drop(HEADER + b"1" * 1_500_000).files[0]
    assert file.state == "quarantined"
    assert pipeline.store.trend(ID)


def test_a_half_written_file_gives_what_is_whole_and_says_so(
    pipeline: Pipeline, drop: Drop
) -> None:
    whole = csv(drive())
    lines = whole.splitlines(keepends=True)
    cut = b"".join(lines[:601]) + lines[601][:30]
    report = drop(cut)
    assert report.files[0].state in ("stored", "quarantined")
    if report.files[0].state == "stored":
        trips = [t for r in report.files[0].recordings for t in r.trips]
        assert sum(t.duration_s for t in trips) <= 600.0
        assert report.files[0].recordings[0].rows in (600, 601)


def test_a_path_in_a_file_name_stays_a_name(pipeline: Pipeline, tmp_path: Path) -> None:
    report = pipeline.ingest_bytes(
        csv(drive(vehicle_id="nobody")), "../../../etc/cron.d/evil\x00.csv"
    )
    assert report.held
    [(path, _)] = pipeline.home.held_files()
    assert path.parent == pipeline.home.held
    assert path.name == "evil_.csv"
    inside = pipeline.settings.home
    assert all(inside in p.parents or p == inside for p in tmp_path.rglob("*"))


@pytest.mark.parametrize("name", ["..csv", "...", "a" * 300 + ".csv", "/", "", "\n", "x/../y"])
def test_odd_names_of_messages_are_kept_inside(pipeline: Pipeline, name: str) -> None:
    report = pipeline.ingest_bytes(csv(drive(vehicle_id="nobody")), name)
    assert report.held
    [(path, _)] = pipeline.home.held_files()
    assert path.parent == pipeline.home.held
    assert path.name.isprintable()


def test_odd_names_of_files_survive(pipeline: Pipeline) -> None:
    names = [b"umlaut-\xe4.csv", b"new\nline.csv", b"a" * 251 + b".csv", b"%s'; --.csv", b"x "]
    folder = bytes(pipeline.home.incoming)
    for name in names:
        Path((folder + b"/" + name).decode(errors="surrogateescape")).write_bytes(b"nothing")
    for path in sorted(pipeline.home.incoming.iterdir()):
        claimed = pipeline.home.claim(path)
        assert claimed is not None
        assert Intake(pipeline).take(claimed).files[0].state == "quarantined"
    assert len(pipeline.store.files("quarantined")) >= 1
    assert len(list(pipeline.home.quarantine.glob("*.reason.json"))) == len(names)
