"""Files that are whole or not there: written under another name, then renamed."""

import io
from pathlib import Path

import polars as pl

from evitals.errors import StoreError

PART = ".part"


def save(path: Path, content: bytes) -> int:
    """Write a file, replacing one that is there; returns its size.

    Raises StoreError where the disk is full or refuses; nothing half-written is left then.
    """
    half = path.with_name(f".{path.name}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(content)
        half.replace(path)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        _drop(half)
    return len(content)


def save_table(path: Path, table: pl.DataFrame) -> int:
    """Write a table as Parquet; otherwise like ``save``."""
    content = io.BytesIO()
    table.write_parquet(content, compression="zstd", compression_level=1)
    return save(path, content.getvalue())


def merge(path: Path, parts: list[Path]) -> None:
    """Parquet files, one after the other, as one; no more than a few row groups in memory."""
    half = path.with_name(f".{path.name}{PART}")
    try:
        pl.scan_parquet(parts).sink_parquet(half)
        half.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise refused(path, error) from error
    finally:
        _drop(half)


def refused(path: Path, error: Exception) -> StoreError:
    """What to say where a file cannot be written."""
    why = getattr(error, "strerror", None) or str(error)
    return StoreError(
        f"{path} cannot be written ({why}); what is done stays: "
        "make room or allow it, then give the same command again"
    )


def _drop(half: Path) -> None:
    try:
        half.unlink(missing_ok=True)
    except OSError:  # the folder refuses this too; the next run clears it
        return
