"""A polygon drawn over the risk quadrant, as a filter: which vehicles lie inside.

Written ``X,Y;x1,y1;x2,y2;...``: the names of the two axes, then the corners in the axes' values.
The page decides by the same rule over the same columns (web/src/live/lasso.ts).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evitals.dashboard.frame import SCALE, SOC_SCALE, SOC_UNKNOWN, UNKNOWN, Rows
from evitals.errors import InputError

AXES = ("soh", "sop_ratio", "risk_score", "interval", "evidence_count", "soc")
"""What a vehicle can be placed by; ``interval`` is the width of SoH's 90 % interval."""
MOST = 400
"""Corners of a polygon."""
LONGEST = 12_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lasso:
    """A closed polygon over two axes; ``corners`` (n, 2)."""

    x: str
    y: str
    corners: Floats

    def inside(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which rows (n,) of ``frame.ROW`` lie inside, by the even-odd rule; unknown is not."""
        x, y = axis_values(rows, self.x), axis_values(rows, self.y)
        found = np.zeros(len(rows), dtype=bool)
        with np.errstate(invalid="ignore"):
            for (x0, y0), (x1, y1) in zip(
                self.corners, np.roll(self.corners, -1, axis=0), strict=True
            ):
                if y0 == y1:
                    continue
                crosses = (y0 > y) != (y1 > y)
                found ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        return found & ~(np.isnan(x) | np.isnan(y))


def parse(text: str) -> Lasso:
    """Raises InputError where ``text`` is no polygon of 3 to 400 corners over two known axes."""
    head, *rest = text.split(";")
    axes = head.split(",")
    if len(text) > LONGEST or len(axes) != 2 or any(axis not in AXES for axis in axes):
        raise _refused(text, f"names no two axes of {', '.join(AXES)}")
    try:
        corners = np.array([[float(n) for n in corner.split(",")] for corner in rest])
    except ValueError:
        raise _refused(text, "holds a corner that is no pair of numbers") from None
    if corners.ndim != 2 or corners.shape[1] != 2 or not 3 <= len(corners) <= MOST:
        raise _refused(text, f"has no 3 to {MOST} corners of two numbers")
    if not np.all(np.abs(corners) < 1e6):
        raise _refused(text, "has a corner far outside of any axis")
    return Lasso(axes[0], axes[1], corners)


def axis_values(rows: Rows, axis: str) -> Floats:
    """One axis of all rows (n,), NaN where unknown."""
    if axis == "interval":
        return _scaled(rows["soh_high"]) - _scaled(rows["soh_low"])
    if axis == "evidence_count":
        return rows["evidence_count"].astype(np.float64)
    if axis == "soc":
        raw = rows["soc"]
        return np.where(raw == SOC_UNKNOWN, np.nan, raw / SOC_SCALE)
    return _scaled(rows[axis])


def _scaled(column: npt.NDArray[np.int16]) -> Floats:
    return np.where(column == UNKNOWN, np.nan, column / SCALE)


def _refused(text: str, what: str) -> InputError:
    return InputError("lasso", text[:80], what, "write soh,sop_ratio;0.8,0.9;0.9,0.9;0.9,0.7")
