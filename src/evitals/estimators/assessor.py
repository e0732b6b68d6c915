"""All about one battery: a pure fold over its segments in event order.

The same segments in the same order give the same answers, bit for bit, whether stepped, run, or
resumed from a checkpoint. So late and repeated trips are handled by replaying the sorted segments.
"""

import hashlib
import math
from collections.abc import Iterable
from functools import lru_cache
from types import ModuleType
from typing import Any

import msgspec
import numpy as np

from evitals.battery import Battery
from evitals.cells.chemistry import chemistry
from evitals.errors import InputError, UnsupportedChemistry
from evitals.estimators import capacity, corrections, health, power, resistance, rests, risk
from evitals.estimators.answer import Answer, Method, PowerLimit, Segment
from evitals.estimators.capacity import Measurement
from evitals.estimators.estimate import Estimate
from evitals.estimators.evidence import Measurements
from evitals.estimators.health import METHODS, HealthFilter
from evitals.estimators.resistance import ResistanceFilter
from evitals.estimators.risk import RiskRule, risk_score
from evitals.features import FEATURES, INDEX
from evitals.settings import Settings

MODEL = "evitals-physics"
VERSION = "2"
_RULES = (
    "risk_monitor", "risk_priority", "soh_monitor", "soh_priority", "status_hysteresis",
    "status_evidence", "min_evidence", "bms_capacity_error",
)  # fmt: skip


class Assessor:
    """Health, power, risk and status of one battery: ``reset / step / run / state / restore``.

    ``step`` takes a ``Segment`` with a known event time, not before the last one's; the caller
    sorts. Raises InputError for a vector of another length or a time that runs backward.
    """

    def __init__(self, battery: Battery, settings: Settings | None = None) -> None:
        settings = Settings() if settings is None else settings
        self.battery = battery
        self._health = HealthFilter(battery, settings)
        self._measurements = Measurements(battery)
        self._resistance = ResistanceFilter(battery)
        self._risk = RiskRule(settings)

    def reset(self) -> None:
        """Forget every segment."""
        for part in (self._health, self._measurements, self._resistance, self._risk):
            part.reset()

    def run(self, segments: Iterable[Segment], *, live: bool = True) -> list[Answer]:
        """``step`` after ``step`` from the present state."""
        return [self.step(segment, live=live) for segment in segments]

    def step(self, segment: Segment, *, live: bool = True) -> Answer:
        """Fold one segment and answer. Without ``live`` the live SoP is left out (it takes a third
        of the time, and of old segments nobody asks it); all else is the same."""
        measured = self._measurements.step(segment)
        for measurement in measured:
            self._health.step(measurement)
        refusal = self._fold_resistance(segment)
        return self._answer(segment, measured, refusal, live)

    def _fold_resistance(self, segment: Segment) -> str:
        if segment.kind == "rest" or capacity.broken(segment):
            return ""
        f = segment.features
        return self._resistance.step(
            event_s=segment.event_s,
            resistance_ohm=float(f[INDEX["resistance_ohm"]]),
            soc=float(f[INDEX["resistance_soc"]]),
            temperature_degc=float(f[INDEX["resistance_temperature_degc"]]),
            steps=float(f[INDEX["resistance_steps"]]),
            sigma_ohm=float(f[INDEX["resistance_sigma_ohm"]]),
        )

    def _answer(
        self, segment: Segment, measured: list[Measurement], refusal: str, live: bool
    ) -> Answer:
        soh = self._health.soh()
        by_method = {m: self._health.capacity(m) for m in METHODS}
        level = self._resistance.level()
        true_ah = None if soh.value is None else soh.value * self.battery.reference_capacity_ah
        reference = _reference_sop(self.battery, true_ah, level)
        score = risk_score(soh.value, reference.value, self.battery.rated_power_w)
        accepted = any(not m.evidence.refused for m in measured)
        status = self._risk.step(soh.value, score, new_evidence=accepted)
        soc, degc = (_last(segment, name) for name in ("soc_last", "last_temperature_degc"))
        limits, limit_reasons = (
            _live_sop(self.battery, soc, degc, true_ah, level) if live else ((), ("not_asked",))
        )
        reasons = dict.fromkeys([*soh.reasons, *([refusal] if refusal else [])])
        if segment.event_assumed:
            reasons["start_assumed"] = None
        if self.battery.rated_power_w is None:
            reasons["no_rated_power"] = None
        return Answer(
            soh=soh,
            capacity_ah=_narrower(by_method),
            capacity=by_method,
            capacity_disagreement=_disagreement(by_method),
            resistance_growth=self._resistance.estimate(),
            reference_sop_w=reference,
            live_sop=limits,
            live_sop_reasons=limit_reasons,
            risk_score=score,
            status=status,
            evidence_count=self._health.evidence_count,
            evidence=tuple(m.evidence for m in measured),
            soc=soc,
            temperature_degc=degc,
            reasons=tuple(reasons),
        )

    def state(self) -> dict[str, Any]:
        """The checkpoint: plain JSON-able data; ``restore`` goes on from it exactly."""
        return {
            "health": self._health.state(),
            "chain": self._measurements.state(),
            "resistance": self._resistance.state(),
            "risk": self._risk.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()``. Raises InputError where it does not hold one."""
        try:
            parts = [state[k] for k in ("health", "chain", "resistance", "risk")]
        except (KeyError, TypeError) as error:
            raise InputError(
                "state", state, "is not an assessor's", "replay the battery's trips"
            ) from error
        self._health.restore(parts[0])
        self._measurements.restore(parts[1])
        self._resistance.restore(parts[2])
        self._risk.restore(parts[3])


def _narrower(by_method: dict[Method, Estimate]) -> Estimate:
    known = [e for e in by_method.values() if e.low is not None and e.high is not None]
    if not known:
        return by_method["bms_soc"]
    return min(known, key=lambda e: (e.high or 0.0) - (e.low or 0.0))


def _disagreement(by_method: dict[Method, Estimate]) -> float | None:
    bms, ocv = by_method["bms_soc"].value, by_method["ocv"].value
    return None if bms is None or ocv is None else (bms - ocv) / ocv


def _reference_sop(battery: Battery, capacity_ah: float | None, level: Estimate) -> Estimate:
    if level.value is None or level.low is None or level.high is None:
        return power.reference_sop(battery, capacity_ah=capacity_ah)
    return power.reference_sop(
        battery,
        capacity_ah=capacity_ah,
        resistance_growth=level.value,
        growth_interval=(level.low, level.high),
    )


def _live_sop(
    battery: Battery,
    soc: float | None,
    degc: float | None,
    capacity_ah: float | None,
    level: Estimate,
) -> tuple[tuple[PowerLimit, ...], tuple[str, ...]]:
    """Power limits at the present state, from rest, and why they are absent or doubtful."""
    missing = [name for name, x in (("no_soc", soc), ("no_temperature", degc)) if x is None]
    if soc is None or degc is None:
        return (), tuple(missing)
    growth = 1.0 if level.value is None else level.value
    try:
        limits = power.sop(
            battery,
            soc=soc,
            temperature_degc=degc,
            capacity_ah=capacity_ah,
            resistance_growth=growth,
        )
        reasons = power.range_reasons(battery, soc=soc, temperature_degc=degc)
    except UnsupportedChemistry as error:
        return (), (error.reason,)
    if level.value is None:
        reasons = (*reasons, "resistance_not_measured")
    return limits, reasons


def _last(segment: Segment, name: str) -> float | None:
    value = float(segment.features[INDEX[name]])
    return None if math.isnan(value) else value


@lru_cache(maxsize=4096)
def model_digest(battery: Battery, settings: Settings) -> str:
    """SHA-256 (hex) of all that decides an answer besides the segments: description, tables,
    priors, features' definitions and rules. A change of it asks for a replay."""
    try:
        cell = chemistry(battery.chemistry)
        tables: Any = {k: _plain(getattr(cell, k)) for k in sorted(cell.__dataclass_fields__)}
    except UnsupportedChemistry as error:
        tables = error.reason
    parts = {
        "model": [MODEL, VERSION],
        "battery": msgspec.to_builtins(battery),
        "rules": {name: getattr(settings, name) for name in _RULES},
        "priors": {
            module.__name__: _constants(module)
            for module in (capacity, rests, corrections, health, power, resistance, risk)
        },
        "features": [[f.name, f.unit, f.form, f.definition] for f in FEATURES],
        "tables": tables,
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _constants(module: ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name, value in sorted(vars(module).items())
        if name.isupper() and isinstance(value, int | float | str | tuple)
    }


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
