"""What goes into an estimator and what comes out: a ``Segment`` in, an ``Answer`` out."""

from typing import Literal

import numpy as np
from msgspec import Struct

from evitals.estimators.estimate import Estimate

Kind = Literal["drive", "charge", "rest"]
Method = Literal["bms_soc", "ocv", "bms_rest"]
Status = Literal["Healthy", "Monitor", "Priority Maintenance", "Unknown"]


class Segment(Struct, frozen=True, kw_only=True):
    """A drive, charge or rest in features: all that an estimator sees of it.

    ``features`` is the float32 vector of ``evitals.features``. ``event_s`` is the start in
    seconds since 1970 UTC. ``event_assumed`` marks a start that is only the vehicle's default.
    ``continues``: follows the segment before it (same recording) without a gap. ``findings`` are
    the doctor's codes of severity "error" or "warning" for this stretch.
    """

    kind: Kind
    event_s: int
    event_assumed: bool
    duration_s: float
    continues: bool
    digest: str
    features: np.ndarray
    findings: frozenset[str] = frozenset()


class Evidence(Struct, frozen=True, kw_only=True):
    """One measurement of capacity, accepted, or refused with the named reason."""

    method: Method
    event_s: int
    digest: str
    capacity_ah: float | None
    sigma_ah: float | None
    delta_soc: float | None
    charge_ah: float | None
    refused: str = ""


class PowerLimit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Highest power for a horizon, positive in its own direction, and what binds it."""

    direction: Literal["discharge", "charge"]
    horizon_s: float
    power_w: float
    limit: Literal["voltage", "current", "soc", "temperature", "rated"]
    low_w: float | None = None
    """What is exceeded nineteen times in twenty, where a margin was calibrated."""


class Answer(Struct, frozen=True, kw_only=True):
    """All that is known about a battery after a segment."""

    soh: Estimate
    capacity_ah: Estimate
    """The method that speaks with the narrower interval; ``source`` names it."""
    capacity: dict[Method, Estimate]
    capacity_disagreement: float | None
    """(bms_soc - ocv) / ocv, a fraction, where both are known."""
    resistance_growth: Estimate
    reference_sop_w: Estimate
    live_sop: tuple[PowerLimit, ...]
    live_sop_reasons: tuple[str, ...]
    risk_score: float | None
    status: Status
    evidence_count: int
    evidence: tuple[Evidence, ...]
    """What this segment brought."""
    soc: float | None
    temperature_degc: float | None
    reasons: tuple[str, ...]
