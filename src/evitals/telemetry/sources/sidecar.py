"""Metadata that lies beside a data file, one row a recording."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from evitals.telemetry.sources.source import Facts, Sidecar


def beside(name: str, part: str, *, zone: str | None = None, vehicle: str | None = None) -> Sidecar:
    """A reader of the Parquet file ``name`` in the data file's folder.

    Column ``part`` keys the facts; ``start_time``, ``ambient_temperature_C`` and ``exclude`` are
    taken where they exist, and the vehicle id from the column ``vehicle`` if one is named.
    """

    def read(path: Path) -> Mapping[str, Facts]:
        file = path.parent / name
        if not file.is_file():
            return {}
        table = pl.read_parquet(file)
        if part not in table.columns or "start_time" not in table.columns:
            return {}
        if vehicle is not None and vehicle in table.columns:
            table = table.filter(pl.col(vehicle) == path.stem)
        return {
            str(row[part]): Facts(
                start=row["start_time"],
                zone=zone,
                ambient_degc=row.get("ambient_temperature_C"),
                exclude=row.get("exclude") or "",
            )
            for row in table.iter_rows(named=True)
        }

    return read
