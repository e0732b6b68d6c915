"""Metadata that lies beside a data file, one row a recording."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

from evitals.errors import UnreadableFile
from evitals.telemetry.sources.source import Facts, Sidecar


def beside(name: str, part: str, *, zone: str | None = None, vehicle: str | None = None) -> Sidecar:
    """A reader of the Parquet file ``name`` in the data file's folder.

    Column ``part`` keys the facts; ``start_time``, ``ambient_temperature_C`` and ``exclude`` are
    taken where they exist, and the vehicle id from the column ``vehicle`` if one is named. Raises
    UnreadableFile where it is damaged: without it the recordings would pass as undated.
    """

    def read(path: Path) -> Mapping[str, Facts]:
        file = path.parent / name
        if not file.is_file():
            return {}
        try:
            table = pl.read_parquet(file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise damaged_metadata(file, error) from None
        if part not in table.columns or "start_time" not in table.columns:
            return {}
        if vehicle is not None and vehicle in table.columns:
            table = table.filter(pl.col(vehicle) == path.stem)
        return {
            str(row[part]): Facts(
                start=row["start_time"] if isinstance(row["start_time"], datetime) else None,
                zone=zone,
                ambient_degc=row.get("ambient_temperature_C"),
                exclude=row.get("exclude") or "",
            )
            for row in table.iter_rows(named=True)
        }

    return read


def damaged_metadata(file: Path, error: Exception) -> UnreadableFile:
    """The refusal of a file whose metadata cannot be read."""
    return UnreadableFile(
        file.name,
        str(error).splitlines()[0] if str(error) else type(error).__name__,
        "stops the reader of the metadata beside the file: it is damaged",
        "put the whole metadata file there, or take it away",
        reason="damaged_metadata",
    )
