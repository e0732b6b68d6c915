"""One test of one cell, as models learn from it: columns by name, and where they came from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CellTest:
    """A test of one cell. ``columns``: names of ``SIGNALS`` to arrays of one length (n,).

    ``time_s`` is there always, current in A and positive while charging; what was not measured is
    absent or NaN, never filled in. ``profile`` names what was driven, ``sampling`` how the
    samples came about (recorded, decimated, averaged). ``digest`` is the content's: equal for one
    test read twice in any form. Raises InputError for columns of different lengths.
    """

    test_id: str
    cell: str
    profile: str
    columns: Mapping[str, Array]
    ambient_degc: float | None = None
    source: str = ""
    sampling: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        lengths = {len(values) for values in self.columns.values()}
        if "time_s" not in self.columns or len(lengths) != 1:
            raise InputError(
                "columns",
                {name: len(values) for name, values in self.columns.items()},
                f"of test {self.test_id} lack time_s or differ in length",
                "give every column one value a sample",
                reason="uneven_columns",
            )
        if not self.digest:
            object.__setattr__(self, "digest", columns_digest(self.columns))

    def __len__(self) -> int:
        return len(self.columns["time_s"])


def columns_digest(columns: Mapping[str, Array]) -> str:
    """SHA-256 (hex) over columns by name as float32: digits of a CSV make no difference."""
    digest = hashlib.sha256()
    for name in sorted(columns):
        with np.errstate(over="ignore"):
            values = np.asarray(columns[name]).astype("<f4")
        values += np.float32(0.0)  # -0.0 and 0.0 are one value
        values[np.isnan(values)] = np.float32("nan")
        digest.update(f"{name}:{len(values)}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
