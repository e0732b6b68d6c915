"""The samples of trips, kept beside the store: ``home/samples/AB/ABCDEF....parquet``, by digest.

A file is written before the commit that holds its trip, under another name and then renamed, and
never changed: writing it again is nothing. A file without a trip harms nobody; ``sweep`` removes
it. Estimates never read samples, only people do.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from uuid import uuid4

import polars as pl

from evitals.service.digest import TRIP_DIGITS

FOLDER = "samples"
SIGNALS = ("voltage_v", "current_a", "temperature_degc", "soc", "speed_mps")
ORPHAN_S = 3600.0
"""A file younger than this may belong to a trip that is being committed, s."""
CHUNK = 5_000


class Samples:
    """The samples of one fleet's trips, below ``home``."""

    def __init__(self, home: Path) -> None:
        self.root = home / FOLDER

    def path(self, digest: str) -> Path:
        """Where a trip's samples lie, or would."""
        return self.root / digest[:2] / f"{digest}.parquet"

    def keep(self, digest: str, table: pl.DataFrame) -> None:
        """Write a trip's samples once: ``time_s`` from the trip's start (float64), and those of
        ``SIGNALS`` that it has (float32). Raises OSError where the disk refuses."""
        path = self.path(digest)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid4().hex}")
        columns = [pl.col(name).cast(pl.Float32) for name in SIGNALS if name in table.columns]
        try:
            table.select(pl.col("time_s").cast(pl.Float64), *columns).write_parquet(
                part, compression="zstd", statistics=False
            )
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)

    def read(self, digest: str) -> pl.DataFrame | None:
        """A trip's samples; None where they were not kept or cannot be read."""
        path = self.path(digest)
        if not path.is_file():
            return None
        try:
            return pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError):
            return None

    def sweep(self, known: Callable[[Iterable[str]], set[str]]) -> int:
        """Delete the samples of trips that are not ``known`` any more; returns how many."""
        before = time.time() - ORPHAN_S
        old = [path for path in self.root.glob("??/*") if path.lstat().st_mtime < before]
        deleted = 0
        for start in range(0, len(old), CHUNK):
            some = {path.stem: path for path in old[start : start + CHUNK]}
            stored = known(name for name in some if _is_digest(name))
            for digest, path in some.items():
                if digest not in stored:
                    path.unlink(missing_ok=True)
                    deleted += 1
        return deleted


def _is_digest(name: str) -> bool:
    return len(name) == TRIP_DIGITS and all(c in "0123456789abcdef" for c in name)
