"""Imported tests on disk: one Parquet a test, named by content, and an index over them."""

import io
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from evitals.errors import InputError
from evitals.telemetry.celltest import CellTest
from evitals.telemetry.datasets.lock import replace

INDEX: dict[str, pl.DataType | type[pl.DataType]] = {
    "test_id": pl.String,
    "cell": pl.String,
    "profile": pl.String,
    "ambient_degc": pl.Float64,
    "start": pl.Datetime("us", "UTC"),
    "samples": pl.Int64,
    "duration_s": pl.Float64,
    "source": pl.String,
    "source_file": pl.String,
    "sampling": pl.String,
    "soc_from": pl.String,
    "excluded": pl.String,
    "digest": pl.String,
}


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of one data set: ``files/`` as published, ``tests/`` imported, the index."""

    folder: Path

    @property
    def files(self) -> Path:
        """Where downloads go."""
        return self.folder / "files"

    def index(self) -> pl.DataFrame:
        """One row a test, columns as INDEX; empty where nothing was imported."""
        file = self.folder / "index.parquet"
        if not file.is_file():
            return pl.DataFrame(schema=INDEX)
        try:
            return pl.read_parquet(file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(
                "index.parquet", str(self.folder), f"is damaged: {error}", "import again"
            ) from error

    @contextmanager
    def adding(self) -> Iterator[Callable[[CellTest, dict[str, object]], bool]]:
        """Yields a function that puts a test on the shelf: True where it was not there yet.

        A name that is taken by other content gets the content's first six digits. The index is
        written at the end, after an interruption too: what was read stays.
        """
        index = self.index()
        there, names = set(index["digest"].to_list()), set(index["test_id"].to_list())
        rows: list[dict[str, object]] = []
        (self.folder / "tests").mkdir(parents=True, exist_ok=True)

        def add(test: CellTest, facts: dict[str, object]) -> bool:
            if test.digest in there:
                return False
            name = test.test_id
            if name in names:
                name = f"{name}_{test.digest[:6]}"
            self._write(test)
            rows.append({**facts, **_row(test), "test_id": name})
            there.add(test.digest)
            names.add(name)
            return True

        try:
            yield add
        finally:
            if rows:
                added = pl.DataFrame(rows, schema=INDEX)
                self._write_index(pl.concat([index, added]).sort("test_id"))

    def load(
        self,
        *,
        profiles: Collection[str] | None = None,
        cells: Collection[str] | None = None,
        test_ids: Collection[str] | None = None,
        excluded: bool = False,
    ) -> list[CellTest]:
        """The chosen tests in order of their id; those their publisher excludes only if asked.

        Raises InputError for a name that no test has, and for a file that is gone or changed.
        """
        chosen = self.index()
        for column, names in (("profile", profiles), ("cell", cells), ("test_id", test_ids)):
            if names is None:
                continue
            absent = set(names) - set(chosen[column].to_list())
            if absent:
                known = ", ".join(sorted(set(chosen[column].to_list()))[:20])
                raise InputError(
                    column,
                    sorted(absent)[0],
                    "is on no test",
                    f"there are {known or 'no tests: evitals data import'}",
                )
            chosen = chosen.filter(pl.col(column).is_in(list(names)))
        if not excluded:
            chosen = chosen.filter(pl.col("excluded") == "")
        return [self._read(row) for row in chosen.iter_rows(named=True)]

    def _write(self, test: CellTest) -> None:
        file = self.folder / "tests" / f"{test.digest}.parquet"
        part = file.with_suffix(f".{os.getpid()}")
        # Float32 holds a cycler's digits; time keeps all of its own.
        pl.DataFrame(
            {
                name: values if name == "time_s" else values.astype(np.float32)
                for name, values in test.columns.items()
            }
        ).write_parquet(part, compression="zstd")
        part.replace(file)

    def _write_index(self, index: pl.DataFrame) -> None:
        out = io.BytesIO()
        index.write_parquet(out)
        replace(self.folder / "index.parquet", out.getvalue())

    def _read(self, row: dict[str, object]) -> CellTest:
        file = self.folder / "tests" / f"{row['digest']}.parquet"
        try:
            table = pl.read_parquet(file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(
                str(row["test_id"]), file.name, f"cannot be read: {error}", "import it again"
            ) from error
        ambient = row["ambient_degc"]
        test = CellTest(
            test_id=str(row["test_id"]),
            cell=str(row["cell"]),
            profile=str(row["profile"]),
            columns={c.name: c.cast(pl.Float64).to_numpy() for c in table.iter_columns()},
            ambient_degc=ambient if isinstance(ambient, float) else None,
            source=str(row["source"]),
            sampling=str(row["sampling"]),
        )
        if test.digest != row["digest"]:
            raise InputError(
                test.test_id,
                test.digest,
                f"is the content's digest, not {row['digest']}: the file was changed",
                "delete it and import again",
                reason="changed_data",
            )
        return test


def _row(test: CellTest) -> dict[str, object]:
    time_s = test.columns["time_s"]
    return {
        "cell": test.cell,
        "profile": test.profile,
        "ambient_degc": test.ambient_degc,
        "samples": len(test),
        "duration_s": float(time_s[-1] - time_s[0]),
        "source": test.source,
        "sampling": test.sampling,
        "digest": test.digest,
    }
