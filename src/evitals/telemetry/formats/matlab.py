"""MATLAB v5 files with one struct of equally long vectors."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import io as scipy_io

from evitals.errors import UnreadableFile
from evitals.telemetry.formats.columnar import as_numbers
from evitals.telemetry.formats.raw import Loaded, RawTable, check_rows, damaged

STRUCT = "meas"


def open_mat(data: bytes, name: str) -> RawTable:
    """The struct ``meas`` of a MATLAB v5 file; no object or code in it is ever run."""
    try:
        content = scipy_io.loadmat(
            io.BytesIO(data), squeeze_me=True, variable_names=[STRUCT], chars_as_strings=True
        )
    except Exception as error:  # scipy raises nearly anything on damaged bytes
        raise damaged(name, error, "MATLAB") from None
    struct = content.get(STRUCT)
    fields = getattr(getattr(struct, "dtype", None), "names", None)
    if not fields:
        raise UnreadableFile(
            name,
            ", ".join(sorted(k for k in content if not k.startswith("__"))),
            f"holds no struct {STRUCT!r}",
            "export the samples as CSV",
            reason="unknown_columns",
        )
    vectors = {field: np.atleast_1d(struct[field].item()) for field in fields}
    height = max(len(vector) for vector in vectors.values())
    check_rows(height, name)
    names = tuple(field for field, vector in vectors.items() if vector.shape == (height,))

    def load(numbers: Sequence[str], texts: Sequence[str]) -> Loaded:
        columns: dict[str, Any] = {
            field: _numeric(vectors[field], field, name) for field in numbers
        }
        columns |= {field: [str(item) for item in vectors[field]] for field in texts}
        return as_numbers(pl.DataFrame(columns), numbers, name)

    return RawTable("mat", names, load)


def _numeric(vector: np.ndarray[Any, Any], field: str, name: str) -> np.ndarray[Any, Any]:
    """Little-endian float64, as polars wants it; complex and object vectors are refused."""
    if vector.dtype.kind not in "iufb":
        raise UnreadableFile(
            name,
            field,
            f"holds {vector.dtype} where numbers belong",
            "write plain numbers",
            reason="wrong_type",
        )
    return np.ascontiguousarray(vector, dtype=np.float64)
