"""What makes two recordings the same: their content, not their file."""

import hashlib
from datetime import datetime

import numpy as np
import polars as pl


def content_digest(table: pl.DataFrame, start: datetime | None, vehicle_id: str | None) -> str:
    """SHA-256 (hex) over signals, start and vehicle: equal for one trip sent twice in any form.

    Columns are taken by name in alphabetical order as float32, so neither their order, nor a
    file's name, nor a CSV's digits against a Parquet's floats make a difference.
    """
    digest = hashlib.sha256()
    digest.update(f"{vehicle_id or ''}\n{start.isoformat() if start else ''}\n".encode())
    with np.errstate(over="ignore"):
        for name in sorted(table.columns):
            values = table.get_column(name).to_numpy().astype("<f4")
            values += np.float32(0.0)  # -0.0 and 0.0 are one value
            missing = np.isnan(values)
            if missing.any():
                values[missing] = np.float32("nan")
            digest.update(f"{name}:{len(values)}\n".encode())
            digest.update(values.data)
    return digest.hexdigest()


def place_digest(recording: str, part: str, sequence: int) -> str:
    """SHA-256 (hex) of a stretch's place: the recording's digest, its part, its number."""
    return hashlib.sha256(f"{recording}/{part}/{sequence}".encode()).hexdigest()
