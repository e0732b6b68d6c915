"""How a check says what it saw: counts, first rows, and what to do."""

import numpy as np
import numpy.typing as npt

from evitals.telemetry.recording import Finding, Severity

FIRST_ROWS = 10
"""How many row numbers a finding lists. Rows count from 0 at the first sample."""


def found(
    code: str,
    severity: Severity,
    rows: npt.NDArray[np.intp],
    signal: str,
    message: str,
    remedy: str = "",
) -> Finding:
    """A Finding over ``rows`` (row numbers, shape (n,)); it keeps their count and the first ten."""
    first = tuple(int(row) for row in rows[:FIRST_ROWS])
    return Finding(code, severity, len(rows), first, signal, message, remedy)


def whole(
    code: str, severity: Severity, count: int, signal: str, message: str, remedy: str = ""
) -> Finding:
    """A Finding about the whole stretch, ``count`` rows of it."""
    return Finding(code, severity, count, (), signal, message, remedy)
