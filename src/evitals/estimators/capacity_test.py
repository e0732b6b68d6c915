"""A constant-current discharge of one cell is itself a capacity measurement (coulomb counting).

    capacity_ah = |current_a| * duration_s / 3600 / depth
    soh         = capacity_ah / reference_capacity_ah

The 90 % interval adds in quadrature, as fractions of the value: the current's gain
(``CURRENT_GAIN``), the standard error of the mean current with one independent sample every
``CORRELATION_S``, and the depth's ``DEPTH_ERROR`` over it. It does not cover a wrong reference
capacity, nor that capacity depends on rate and temperature: a cold cell is flagged.
"""

import hashlib
import math

import msgspec
import numpy as np
from msgspec import Struct

from evitals.battery import Battery, Limits
from evitals.cells.chemistry import chemistry, supported
from evitals.errors import InputError
from evitals.estimators import power
from evitals.estimators.estimate import Estimate, unknown
from evitals.signals import RESULTS

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


class Discharge(Struct, frozen=True, kw_only=True):
    """One discharge of one cell; None is missing. ``depth`` is a fraction of the capacity.

    ``other_current_a`` is the mean current by a second way of counting, where there is one.
    """

    current_a: float
    duration_s: float
    current_std_a: float | None = None
    other_current_a: float | None = None
    voltage_v: float | None = None
    temperature_degc: float | None = None
    depth: float | None = None
    reference_capacity_ah: float | None = None
    rated_power_w: float | None = None


class CapacityTest(Struct, frozen=True, kw_only=True):
    """What the discharge says. ``soh`` is unknown where no battery can have it."""

    capacity_ah: float
    reference_capacity_ah: float
    rated_power_w: float | None
    soh: Estimate


def measure(test: Discharge, battery: Battery | None = None) -> CapacityTest:
    """Capacity and SoH of a cell from one constant-current discharge.

    ``battery``, the cell as described, supplies the reference capacity and rated power that the
    test lacks; without either ``ASSUMED_CELL``'s reference is assumed and flagged. Raises
    InputError (``no_current``) where no charge moved.
    """
    if test.current_a == 0.0 or test.duration_s <= 0.0:
        raise InputError(
            "current_a", test.current_a, "moves no charge", "send the mean", reason="no_current"
        )
    reasons: list[str] = []
    reference, rated = test.reference_capacity_ah, test.rated_power_w
    if battery is not None:
        reference = reference or battery.reference_capacity_ah
        rated = rated or battery.rated_power_w
    if reference is None:
        reference = ASSUMED_CELL.reference_capacity_ah
        reasons.append("reference_capacity_assumed")
    if test.depth is None:
        reasons.append("full_discharge_assumed")
    moved = abs(test.current_a) * test.duration_s / 3600.0
    if test.depth is not None and abs(moved / reference - test.depth) < CIRCULAR * test.depth:
        reasons.append("dod_matches_reference")
    depth = 1.0 if test.depth is None else test.depth
    capacity = moved / depth
    return CapacityTest(
        capacity_ah=capacity,
        reference_capacity_ah=reference,
        rated_power_w=rated,
        soh=_soh(capacity / reference, relative_error(test), reasons + _doubts(test)),
    )


def relative_error(test: Discharge) -> float:
    """Half-width of the 90 % interval over the value."""
    samples = max(1.0, test.duration_s / CORRELATION_S)
    ripple = Z90 * (test.current_std_a or 0.0) / abs(test.current_a) / math.sqrt(samples)
    depth = 0.0 if test.depth is None else DEPTH_ERROR / test.depth
    return math.sqrt(CURRENT_GAIN**2 + ripple**2 + depth**2)


def reference_power(test: CapacityTest, battery: Battery | None) -> Estimate:
    """10 s discharge power at SoC 0.5 and 25 degC, W, clipped to rated power.

    The discharge does not measure resistance, so the chemistry's tables answer, scaled to the
    cell: doubtful, with a wide interval. Unknown without rated power, or without a capacity.
    """
    if test.rated_power_w is None:
        return unknown("rated_power_missing", source="circuit")
    if test.soh.value is None:
        return unknown("capacity_unknown", source="circuit")
    cell = msgspec.structs.replace(
        battery or ASSUMED_CELL,
        reference_capacity_ah=test.reference_capacity_ah,
        rated_power_w=test.rated_power_w,
    )
    answer = power.reference_sop(cell, capacity_ah=test.capacity_ah)
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


def _soh(soh: float, error: float, reasons: list[str]) -> Estimate:
    if soh > RESULTS["soh"].high:
        return unknown("out_of_range", *reasons, source=MODEL_NAME)
    if not SOH_PLAUSIBLE[0] <= soh <= SOH_PLAUSIBLE[1]:
        reasons = ["out_of_range", *reasons]
    return Estimate(
        value=soh,
        low=max(0.0, soh * (1.0 - error)),
        high=soh * (1.0 + error),
        validity="doubtful" if SERIOUS.intersection(reasons) else "valid",
        reasons=tuple(reasons),
        source=MODEL_NAME,
    )


def _doubts(test: Discharge) -> list[str]:
    current, other, cold = test.current_a, test.other_current_a, test.temperature_degc
    doubts = {
        "positive_current": current > 0.0,
        "not_constant_current": (test.current_std_a or 0.0) > RIPPLE * abs(current),
        "current_disagrees": other is not None
        and abs(other - current) > DISAGREEMENT * abs(current),
        "low_dod": test.depth is not None and test.depth < DEPTH_LOW,
        "cold": cold is not None and cold < COLD_DEGC,
        "level_unchecked": test.voltage_v is None,
    }
    return [reason for reason, holds in doubts.items() if holds]


def _table_digest(name: str) -> str:
    cell = chemistry(name)
    arrays = (cell.ocv_v, cell.r0_ohm_ah, cell.r1_ohm_ah, cell.r2_ohm_ah, np.array(cell.tau_s))
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
