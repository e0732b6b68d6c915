"""A simulated fleet on disk: features of every trip, samples of some, truth apart.

```
out/order.json            what was asked for; another order is refused in the same folder
out/vehicles/ID.json      descriptions, as an operator would give them
out/features/part-*.parquet   one row a drive, charge or rest, some vehicles a part
out/trips/                samples of the vehicles kept: Parquet or CSV
out/truth.parquet         capacity and resistance a vehicle and day: for judges only
out/faults.parquet        what broke, when, and by how much: for judges only
```

A part is there or not: each is written under another name and renamed, its features last. So a
run that was stopped, killed or out of disk goes on where it was, whatever its engine.
"""

import fcntl
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import polars as pl
from msgspec import Struct

from evitals.errors import InputError, StoreError
from evitals.service import outputs
from evitals.service.chunk import Chunk, write_chunk
from evitals.service.outputs import PART
from evitals.service.workers import Engine, mapped
from evitals.twin.fleet import Fleet

Format = Literal["features", "parquet", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
ORDER = "order.json"
PART_TRIPS = 50_000
"""About so many trips a part: what one worker holds in memory."""
PARTS_AT_LEAST = 64
"""Small fleets are parted finer, so that every worker has something to do."""


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a fleet is: the same order, the same files. ``sample`` vehicles keep their samples.

    ``mix`` (shares by model), ``places`` and ``faults`` (a vehicle and year) as in
    ``evitals.twin.fleet.Fleet``; None leaves what it has.
    """

    vehicles: int
    days: int
    seed: int
    trips_per_day: float = 3.0
    rests: bool = True
    mix: Mapping[str, float] | None = None
    places: Sequence[str] | None = None
    faults: float = 0.0
    until_s: int | None = None
    format: Format = "features"
    sample: int = 0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError("format", self.format, "is unknown", f"use {', '.join(FORMATS)}")
        most = 0 if self.format == "features" else self.vehicles
        if not 0 <= self.sample <= most:
            raise InputError("sample", self.sample, "cannot be kept", f"give 0 to {most}")

    def fleet(self) -> Fleet:
        """The fleet itself. Raises InputError for what it cannot be."""
        return Fleet(
            self.vehicles,
            self.days,
            self.seed,
            rests=self.rests,
            trips_per_day=self.trips_per_day,
            model_mix=self.mix,
            until_s=self.until_s,
            places=self.places,
            fault_rate=self.faults,
        )

    def chunks(self) -> list[Chunk]:
        """The fleet in parts: follows from the order alone."""
        size = int(PART_TRIPS / max(self.days * self.trips_per_day, 1.0))
        size = max(min(size, math.ceil(self.vehicles / PARTS_AT_LEAST)), 1)
        starts = range(0, self.vehicles, size)
        return [
            Chunk(number, start, min(start + size, self.vehicles))
            for number, start in enumerate(starts)
        ]


class Report(Struct, frozen=True, kw_only=True):
    """What lies in the folder: recordings simulated, rows of features, bytes."""

    vehicles: int
    days: int
    seed: int
    recordings: int
    trips: int
    kept_vehicles: int
    bytes: int
    folder: str


def simulate(
    order: Order,
    out: Path,
    *,
    workers: int = 1,
    engine: Engine = "processes",
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """Write a fleet, or go on writing it. ``progress`` is told how many vehicles are done.

    Raises InputError for an order that cannot be and for a folder that holds another one or
    something else, StoreError where the folder is in use, full or not writable.
    """
    order.fleet()
    with _owned(out, order):
        chunks = order.chunks()
        done = sum(chunk.size for chunk in chunks if chunk.features(out).exists())
        progress(done)
        todo = [chunk for chunk in chunks if not chunk.features(out).exists()]
        write = partial(write_chunk, order, out)
        for chunk, _ in mapped(write, todo, workers, engine):
            done += chunk.size
            progress(done)
        outputs.merge(out / "truth.parquet", [chunk.truth(out) for chunk in chunks])
        outputs.merge(out / "faults.parquet", [chunk.faults(out) for chunk in chunks])
        return report(order, out)


def report(order: Order, out: Path) -> Report:
    """Count what lies in the folder of a whole fleet."""
    rows = pl.scan_parquet(out / "features" / "part-*.parquet")
    ends = rows.group_by("vehicle_id").agg(pl.col("recording").n_unique().alias("recordings"))
    count = rows.select(pl.len()).collect().item()
    return Report(
        vehicles=order.vehicles,
        days=order.days,
        seed=order.seed,
        recordings=int(ends.select(pl.col("recordings").sum()).collect().item()),
        trips=int(count),
        kept_vehicles=order.sample,
        bytes=sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
        folder=str(out),
    )


@contextmanager
def _owned(out: Path, order: Order) -> Iterator[None]:
    """The folder, held for this process alone, with this order in it and nothing half-written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = (out / ".owner").open("ab")
    except OSError as error:
        raise outputs.refused(out, error) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"{out} is being written by another process; wait for it") from error
        _settle(out, order)
        for half in out.rglob(f".*{PART}"):
            half.unlink()
        yield


def _settle(out: Path, order: Order) -> None:
    """Put the order into an empty folder, or find the same one there. Raises InputError."""
    path = out / ORDER
    asked = msgspec.to_builtins(order) | {"evitals": version("evitals"), "twin": twin_digest()}
    if not path.exists():
        if any(entry.name != ".owner" for entry in out.iterdir()):
            raise InputError("out", str(out), "is not empty and no fleet", "give another folder")
        outputs.save(path, msgspec.json.format(msgspec.json.encode(asked), indent=1) + b"\n")
        return
    try:
        there = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InputError("out", str(path), "cannot be read", "give another folder") from error
    asked = msgspec.json.decode(msgspec.json.encode(asked))
    differ = [name for name in sorted(asked | there) if there.get(name) != asked.get(name)]
    if differ:
        what = ", ".join(f"{n} {there.get(n)!r} there, {asked.get(n)!r} asked for" for n in differ)
        raise InputError(
            "out", str(out), f"holds another fleet ({what})", "give the same order or another --out"
        )


@cache
def twin_digest() -> str:
    """SHA-256 (hex, 16 digits) of the twin's code and data: another twin, another fleet."""
    found = hashlib.sha256()
    root = Path(str(resources.files("evitals.twin")))
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".toml", ".json", ".csv"):
            found.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]
