"""A constant-current discharge of one cell is itself a capacity measurement (coulomb counting).

    capacity_ah = |current_a| * duration_s / 3600 / depth
    soh         = capacity_ah / reference_capacity_ah

The 90 % interval adds in quadrature, as fractions of the value: the current's gain
(``CURRENT_GAIN``), the standard error of the mean current with one independent sample every
``CORRELATION_S``, and the depth's ``DEPTH_ERROR`` over it. It does not cover a wrong reference
capacity, nor that capacity depends on rate and temperature: a cold cell is flagged.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from evitals.battery import Battery, Limits
from evitals.cells.chemistry import chemistry, supported
from evitals.errors import InputError
from evitals.estimators import power
from evitals.estimators.estimate import Estimate
from evitals.signals import RESULTS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
MODEL_NAME = "capacity_test"
MODEL_VERSION = "1"
ASSUMED_CELL = Battery(
    level="cell",
    chemistry="NMC",
    reference_capacity_ah=2.0,
    limits=Limits(
        cell_voltage_min_v=2.5,
        cell_voltage_max_v=4.2,
        discharge_current_a=3000.0,
        charge_current_a=3000.0,
    ),
)
"""A cell that nobody described: limited by its voltages and its rated power only."""
CURRENT_GAIN = 0.01
DEPTH_ERROR = 0.005
"""Half-width of the error of ``depth``, a fraction of the capacity."""
CORRELATION_S = 60.0
Z90 = 1.6449
SOH_PLAUSIBLE = (0.3, 1.05)
"""Outside, the discharge was cut short or the reference is wrong, rather than the cell worn."""
DEPTH_LOW = 0.2
COLD_DEGC = 10.0
RIPPLE = 0.1
"""current_std_a over |current_a| above which a current is not constant."""
DISAGREEMENT = 0.02
CIRCULAR = 0.005
"""A depth that close to charge moved over the reference capacity may have been computed from it
(the reference's own training features are): then SoH is 1 by construction, and says nothing."""
REASONS = (
    "out_of_range",
    "reference_capacity_assumed",
    "full_discharge_assumed",
    "dod_matches_reference",
    "positive_current",
    "not_constant_current",
    "current_disagrees",
    "low_dod",
    "cold",
    "level_unchecked",
    "rated_power_missing",
    "capacity_unknown",
    "unsupported_chemistry",
    "chemistry_assumed",
    "resistance_not_measured",
    "ignored_fields",
)
"""All reasons, in the order in which an answer names them."""
SERIOUS = frozenset(
    {
        "out_of_range",
        "reference_capacity_assumed",
        "low_dod",
        "cold",
        "positive_current",
        "not_constant_current",
        "current_disagrees",
        "level_unchecked",
    }
)
"""Reasons that make an answer doubtful; the others only explain it."""


class Discharges(Struct, frozen=True, kw_only=True, eq=False):
    """Discharges of single cells, (n,) each; NaN is missing. ``depth`` is a fraction of the
    capacity.

    ``other_current_a`` is the mean current by a second way of counting, where there is one.
    """

    current_a: Floats
    duration_s: Floats
    current_std_a: Floats
    other_current_a: Floats
    voltage_v: Floats
    temperature_degc: Floats
    depth: Floats
    reference_capacity_ah: Floats
    rated_power_w: Floats


class CapacityTests(Struct, frozen=True, kw_only=True, eq=False):
    """What discharges say, (n,) each. ``soh``, ``low`` and ``high`` are NaN where no battery can
    have it; ``reasons`` has bit k set for ``REASONS[k]``."""

    capacity_ah: Floats
    reference_capacity_ah: Floats
    rated_power_w: Floats
    soh: Floats
    low: Floats
    high: Floats
    reasons: Integers


def measure(tests: Discharges) -> CapacityTests:
    """Capacities and SoH of cells from one constant-current discharge each.

    Without a reference capacity ``ASSUMED_CELL``'s is assumed and flagged. Raises InputError
    (``no_current``) where no charge moved.
    """
    current, depth = np.abs(tests.current_a), tests.depth
    for still in tests.current_a[(current == 0.0) | (tests.duration_s <= 0.0)].tolist():
        raise InputError("current_a", still, "moves no charge", "send it", reason="no_current")
    assumed, whole = np.isnan(tests.reference_capacity_ah), np.isnan(depth)
    reference = np.where(assumed, ASSUMED_CELL.reference_capacity_ah, tests.reference_capacity_ah)
    moved = current * tests.duration_s / 3600.0
    capacity = moved / np.where(whole, 1.0, depth)
    soh = capacity / reference
    error = relative_error(tests)
    holds = {
        "out_of_range": (soh < SOH_PLAUSIBLE[0]) | (soh > SOH_PLAUSIBLE[1]),
        "reference_capacity_assumed": assumed,
        "full_discharge_assumed": whole,
        "dod_matches_reference": np.abs(moved / reference - depth) < CIRCULAR * depth,
        "positive_current": tests.current_a > 0.0,
        "not_constant_current": tests.current_std_a > RIPPLE * current,
        "current_disagrees": np.abs(tests.other_current_a - tests.current_a)
        > DISAGREEMENT * current,
        "low_dod": depth < DEPTH_LOW,
        "cold": tests.temperature_degc < COLD_DEGC,
        "level_unchecked": np.isnan(tests.voltage_v),
    }
    reasons = np.array([bit(name) for name in holds]) @ np.stack(list(holds.values()))
    soh = np.where(soh > RESULTS["soh"].high, np.nan, soh)
    return CapacityTests(
        capacity_ah=capacity,
        reference_capacity_ah=reference,
        rated_power_w=tests.rated_power_w,
        soh=soh,
        low=np.maximum(0.0, soh * (1.0 - error)),
        high=soh * (1.0 + error),
        reasons=reasons,
    )


def relative_error(tests: Discharges) -> Floats:
    """Half-width of the 90 % interval over the value."""
    samples = np.maximum(1.0, tests.duration_s / CORRELATION_S)
    ripple = Z90 * tests.current_std_a / np.abs(tests.current_a) / np.sqrt(samples)
    parts = np.stack([np.full(len(samples), CURRENT_GAIN), ripple, DEPTH_ERROR / tests.depth])
    error: Floats = np.sqrt(np.nansum(parts**2, axis=0))
    return error


def bit(reason: str) -> int:
    """The bit of a reason."""
    return 1 << REASONS.index(reason)


@lru_cache(4096)
def reasons_of(bits: int) -> tuple[str, ...]:
    """The names of reasons' bits."""
    return tuple(name for k, name in enumerate(REASONS) if bits >> k & 1)


class Powers(Struct, frozen=True, eq=False):
    """10 s discharge powers with their 90 % intervals, W, (n,) each; NaN where unknown."""

    value: Floats
    low: Floats
    high: Floats
    reasons: Integers
    """As ``CapacityTests.reasons``."""


def reference_power(tests: CapacityTests, batteries: Sequence[Battery | None]) -> Powers:
    """10 s discharge power at SoC 0.5 and 25 degC, W, clipped to rated power.

    The discharge does not measure resistance, so the chemistry's tables answer, scaled to the
    cell: doubtful, with a wide interval. Unknown without rated power, or without a capacity.
    ``batteries`` are the cells as described.
    """
    without = np.isnan(tests.rated_power_w)
    lost = np.isnan(tests.soh) & ~without
    reasons = without * bit("rated_power_missing") + lost * bit("capacity_unknown")
    value, low, high = np.full((3, len(reasons)), np.nan)
    for k in np.flatnonzero(~(without | lost)).tolist():
        answer = _power(tests, k, batteries[k])
        reasons[k] = sum(map(bit, answer.reasons))
        if answer.value is not None:
            value[k], low[k], high[k] = answer.value, answer.low, answer.high
    return Powers(value, low, high, reasons)


def _power(tests: CapacityTests, row: int, battery: Battery | None) -> Estimate:
    cell = msgspec.structs.replace(
        battery or ASSUMED_CELL,
        reference_capacity_ah=float(tests.reference_capacity_ah[row]),
        rated_power_w=float(tests.rated_power_w[row]),
    )
    answer = power.reference_sop(cell, capacity_ah=float(tests.capacity_ah[row]))
    if battery is not None:
        return answer
    return msgspec.structs.replace(answer, reasons=("chemistry_assumed", *answer.reasons))


def model_digest() -> str:
    """SHA-256 of the constants and tables that an answer follows from."""
    rules = {
        "version": MODEL_VERSION,
        "assumed_cell": ASSUMED_CELL,
        "current_gain": CURRENT_GAIN,
        "depth_error": DEPTH_ERROR,
        "correlation_s": CORRELATION_S,
        "z90": Z90,
        "soh_plausible": [*SOH_PLAUSIBLE, RESULTS["soh"].high],
        "depth_low": DEPTH_LOW,
        "cold_degc": COLD_DEGC,
        "ripple": RIPPLE,
        "disagreement": DISAGREEMENT,
        "circular": CIRCULAR,
        "serious": sorted(SERIOUS),
        "design_sigma": power.DESIGN_SIGMA,
        "tables": {name: _table_digest(name) for name in supported()},
    }
    return hashlib.sha256(msgspec.json.encode(rules, order="sorted")).hexdigest()


def _table_digest(name: str) -> str:
    cell = chemistry(name)
    arrays = (cell.ocv_v, cell.r0_ohm_ah, cell.r1_ohm_ah, cell.r2_ohm_ah, np.array(cell.tau_s))
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
