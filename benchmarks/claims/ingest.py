"""A folder of 1,000 trips of 1,370 rows: files and bytes a second; memory over 10,000 files."""

import shutil
from pathlib import Path

from benchmarks import processes
from benchmarks.claims.file_drop import OURS, counter, describe_vehicles
from benchmarks.processes import Server, until
from benchmarks.reference import watcher
from benchmarks.result import Bar, Row, Scale
from benchmarks.trips import trip_csv
from evitals.fleet.open import FILE_NAME

NAME = "ingest"
VEHICLES = 2000
"""So many that few trips of one vehicle, all of one event time, have to be replayed."""
PATIENCE_S = 600.0


def make(folder: Path, first: int, count: int) -> int:
    """Write trips ``first`` onwards into ``folder``; returns their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for number in range(first, first + count):
        data = trip_csv(number)
        total += (folder / f"car-{number % VEHICLES:04d}_{number:06d}.csv").write_bytes(data)
    return total


class Folder:
    """A running service and how many trips it was given so far."""

    def __init__(self, server: Server, home: Path, scratch: Path) -> None:
        self.server = server
        self.home = home
        self.scratch = scratch
        self.given = 0
        self.count = counter(home / FILE_NAME, OURS)

    def give(self, count: int) -> tuple[float, float, int]:
        """Move ``count`` new files in; (seconds until all are committed, CPU seconds, bytes)."""
        made = self.scratch / f"from-{self.given}"
        size = make(made, self.given, count)
        self.given += count
        cpu = self.server.cpu_s()
        for path in sorted(made.iterdir()):
            path.rename(self.home / "incoming" / path.name)
        seconds = until(lambda: self.count() >= self.given, PATIENCE_S)
        return seconds, self.server.cpu_s() - cpu, size


def measure(scale: Scale) -> list[Row]:
    """Runs of 1,000 files; then files on to 10,000, memory read after each part."""
    files, whole = scale.pick(1000, 100), scale.pick(10_000, 1000)
    home = scale.folder / "home"
    seconds: list[float] = []
    cpu: list[float] = []
    sizes: list[int] = []
    memory: list[float] = []
    opened: list[int] = []
    with processes.evitals(home) as server:
        describe_vehicles(server, VEHICLES)
        folder = Folder(server, home, scale.folder / "made")
        folder.give(scale.pick(200, 50))
        while len(seconds) < scale.runs or folder.given < whole:
            took, used, size = folder.give(files)
            seconds.append(took)
            cpu.append(used)
            sizes.append(size)
            memory.append(server.memory_mb())
            opened.append(server.open_files())
    grown = max(memory[len(memory) // 2 :]) - max(memory[: len(memory) // 2])
    return [
        *_rows(scale, files, seconds, cpu, sizes),
        Row(
            claim=NAME, quantity=f"memory grown in the second half of {folder.given:,} files",
            unit="MB", ours=[grown], bar=Bar(of="value", bound=10.0),
            note="after each part, MB: " + ", ".join(f"{value:.0f}" for value in memory)
            + "; open files: " + ", ".join(map(str, opened)),
        ),
    ]  # fmt: skip


def _rows(
    scale: Scale, files: int, seconds: list[float], cpu: list[float], sizes: list[int]
) -> list[Row]:
    theirs = _reference(scale, scale.pick(100, 30))
    note = "the reference's pauses between looks are left out"
    return [
        Row(
            claim=NAME, quantity="files/s, 1,370 rows each", unit="1/s", better="higher",
            ours=[files / s for s in seconds], reference=theirs, note=note,
        ),
        Row(
            claim=NAME, quantity="bytes/s", unit="MB/s", better="higher",
            ours=[size / 1e6 / s for size, s in zip(sizes, seconds, strict=True)],
        ),
        Row(
            claim=NAME, quantity="CPU per file, read to committed", unit="ms",
            ours=[1e3 * used / files for used in cpu],
        ),
    ]  # fmt: skip


def _reference(scale: Scale, files: int) -> list[float]:
    """Files/s of the reference's watcher while it does not wait."""
    folder = scale.folder / "reference"
    rates = []
    with processes.reference(folder) as api:
        for run in range(scale.runs):
            shutil.rmtree(folder / "incoming", ignore_errors=True)
            make(folder / "incoming", run * files, files)
            rates.append(files / processes.timed(lambda: watcher.look(folder, api.port)))
    return rates
