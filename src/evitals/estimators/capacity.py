"""Capacity from one drive, charge or pair of rests: a measurement with its errors, or a refusal.

Three methods, never mixed here:

- ``bms_soc``: slope of charge over the SoC that the BMS reports. Whatever capacity the BMS itself
  believes in is embedded in its SoC, so this measures the BMS's idea of the capacity as well.
- ``ocv``: charge moved between two rests of one continuous recording over the change of SoC that
  the rest voltages give through the chemistry's OCV table (``rests``).
- ``bms_rest``: charge moved between two readings to which the BMS corrected its own count after
  a rest (``corrections``).

Error model and its sources: docs/health.md. Charge is from ``evitals.features``, so all errors
are those of a time integral of a sampled current: offset, gain (left to ``health``, as it is common
to everything the sensor measures), and the sampling itself.
"""

import math
from typing import Any

from msgspec import Struct

from evitals.battery import Battery
from evitals.estimators.answer import Evidence, Method, Segment
from evitals.features import INDEX

MIN_DELTA_SOC = 0.05
MIN_DELTA_SOC_STEPS = 8.0
"""SoC change a bms_soc measurement needs: a fraction, and in steps of the SoC's resolution."""
MAX_MISSING = 0.02
MAX_MISSING_SOC = 0.9
COLD_DEGC = -10.0
PLAUSIBLE = (0.3, 1.3)
"""Capacity over the reference beyond which the description or the channel must be wrong."""
MODEL_SIGMA = 0.005
"""What remains of a single measurement when all named errors are small, relative."""
COLD_SIGMA_PER_K = 0.0005
"""Growth of that below 10 degC, relative per kelvin."""
SOC_FILTER = 0.002
"""RMS by which a BMS's SoC may wander about the counted charge beyond its resolution."""
JUMP = 0.005
REFUSING = (
    "excluded",
    "wrong_level",
    "time_in_ms",
    "soc_in_percent",
    "sign_flip",
    "stuck_sensor",
    "wrong_soc_channel",
    "backward_time",
)
"""Findings of the doctor that make a stretch useless for capacity, most telling first."""

REASONS: dict[str, str] = {
    "no_current": "the recording holds no current",
    "no_soc": "the BMS reports no SoC, or in under a tenth of the samples",
    "low_delta_soc": "SoC changed too little for its resolution (or its OCV error)",
    "soc_jump": "SoC jumped by more than the charge explains",
    "soc_inconsistent": "SoC and counted charge do not follow one line",
    "gap": "current is unknown for a while in which it may have flowed",
    "sentinel": "too many samples were error codes",
    "missing_current": "too many samples have no current",
    "cold": "too cold for the method",
    "sign_flip": "charge and SoC move in opposite directions",
    "stuck_sensor": "a sensor repeated one value",
    "implausible_capacity": "the result is below 30 % or above 130 % of the reference capacity",
    "no_rest": "no rest long and calm enough before and after in one recording",
    "ocv_flat": "the OCV is too flat at these SoC to tell them apart",
    "table_unfit": "SoC by the OCV table is over 0.12 from the BMS's: another cell's table",
    "no_correction": "the BMS was not seen to correct its SoC after rests",
    "unsupported_chemistry": "no OCV table for this chemistry",
    "excluded": "its publisher says not to use it",
    "wrong_level": "cell data for a pack, or pack data for a cell",
    "time_in_ms": "the time stamps are milliseconds",
    "soc_in_percent": "SoC is in percent",
    "wrong_soc_channel": "the SoC shown to the driver instead of the battery's",
    "backward_time": "time runs backward",
}
"""Every reason a measurement is refused for, and what it means."""


class Measurement(Struct, frozen=True, kw_only=True):
    """An ``Evidence`` and what the filter needs beside it, all relative (errors of ln capacity).

    ``sigma``: independent error. ``offset_per_a``: error an ampere of current offset makes.
    ``table``: error a volt of OCV table error makes at each of ``TABLE_NODES``, () for bms_soc.
    """

    evidence: Evidence
    sigma: float = 0.0
    offset_per_a: float = 0.0
    table: tuple[float, ...] = ()


def refused(segment: Segment, method: Method, reason: str, **known: Any) -> Measurement:
    """A measurement that was not made, and why; ``known`` fills fields of the evidence."""
    known = {"delta_soc": None, "charge_ah": None, "capacity_ah": None} | known
    return Measurement(
        evidence=Evidence(
            method=method,
            event_s=segment.event_s,
            digest=segment.digest,
            sigma_ah=None,
            refused=reason,
            **known,
        )
    )


def broken(segment: Segment) -> str:
    """Why the counted charge of a segment cannot be used, "" where it can."""
    for code in REFUSING:
        if code in segment.findings:
            return code
    f = segment.features
    if math.isnan(f[INDEX["net_charge_ah"]]):
        return "no_current"
    if f[INDEX["missing_current"]] > MAX_MISSING:
        return "sentinel" if "sentinel" in segment.findings else "missing_current"
    return "gap" if f[INDEX["gap_s"]] > 0.0 else ""


def bms_soc(segment: Segment, battery: Battery) -> Measurement:
    """Capacity of a drive or charge from the slope of charge over the reported SoC."""
    f = {name: float(segment.features[INDEX[name]]) for name in _BMS_FEATURES}
    delta, charge = f["soc_last"] - f["soc_first"], f["soc_charge_ah"]
    reason = _bms_refusal(segment, battery, f)
    if reason:
        return refused(
            segment, "bms_soc", reason, delta_soc=_known(delta), charge_ah=_known(charge)
        )
    capacity = f["soc_capacity_ah"]
    return accepted(
        segment,
        battery,
        "bms_soc",
        capacity,
        delta,
        charge,
        # The BMS counts with the same sensor, so its offset mostly cancels; what does not is not
        # the same from trip to trip and is left among the independent errors.
        sigma=math.hypot(_bms_sigma(f, battery), _offset_sigma(f, battery)),
    )


_BMS_FEATURES = (
    "soc_first", "soc_last", "soc_charge_ah", "soc_duration_s", "soc_capacity_ah", "soc_fit_rms",
    "soc_fit_spread", "soc_jump_max", "charge_sigma_ah", "temperature_mean_degc", "missing_soc",
)  # fmt: skip


def _bms_refusal(segment: Segment, battery: Battery, f: dict[str, float]) -> str:
    reason = broken(segment)
    if reason:
        return reason
    resolution = battery.sensors.soc_resolution
    delta = abs(f["soc_last"] - f["soc_first"])
    sampling = f["charge_sigma_ah"] / battery.reference_capacity_ah
    low, high = (share * battery.reference_capacity_ah for share in PLAUSIBLE)
    # A step of the resolution is the BMS's rounding; two may fall on neighbouring samples.
    rules = (
        (not f["missing_soc"] <= MAX_MISSING_SOC, "no_soc"),
        (f["soc_jump_max"] > 2.0 * resolution + JUMP + sampling, "soc_jump"),
        (not delta >= max(MIN_DELTA_SOC, MIN_DELTA_SOC_STEPS * resolution) - 1e-6, "low_delta_soc"),
        (f["soc_fit_rms"] > 0.6 * resolution + SOC_FILTER + sampling, "soc_inconsistent"),
        (f["temperature_mean_degc"] < COLD_DEGC, "cold"),
        (not f["soc_capacity_ah"] > 0.0, "sign_flip"),
        (not low <= f["soc_capacity_ah"] <= high, "implausible_capacity"),
    )
    return next((reason for bad, reason in rules if bad), "")


def _bms_sigma(f: dict[str, float], battery: Battery) -> float:
    """Standard error of the slope. Rounding errors within one step of the SoC are one error."""
    resolution = max(battery.sensors.soc_resolution, 1e-4)
    rms = max(f["soc_fit_rms"], resolution / math.sqrt(12.0))
    independent = min(max(abs(f["soc_last"] - f["soc_first"]) / resolution, 2.0), 60.0)
    slope = rms / (f["soc_fit_spread"] * math.sqrt(independent))
    return math.hypot(slope, f["charge_sigma_ah"] / abs(f["soc_charge_ah"]), _model_sigma(f))


def _model_sigma(f: dict[str, float]) -> float:
    degc = f["temperature_mean_degc"]
    cold = max(10.0 - degc, 0.0) if degc == degc else 10.0
    return MODEL_SIGMA + COLD_SIGMA_PER_K * cold


def _offset_sigma(f: dict[str, float], battery: Battery) -> float:
    hours = f["soc_duration_s"] / 3600.0
    return battery.sensors.current_offset_a / math.sqrt(3.0) * hours / abs(f["soc_charge_ah"])


def accepted(
    segment: Segment,
    battery: Battery,
    method: Method,
    capacity: float,
    delta: float,
    charge: float,
    *,
    sigma: float,
    offset_per_a: float = 0.0,
    table: tuple[float, ...] = (),
    table_error: float = 0.0,
) -> Measurement:
    spread = math.hypot(
        sigma,
        table_error,
        offset_per_a * battery.sensors.current_offset_a / math.sqrt(3.0),
        battery.sensors.current_gain / math.sqrt(3.0),
    )
    return Measurement(
        evidence=Evidence(
            method=method,
            event_s=segment.event_s,
            digest=segment.digest,
            capacity_ah=capacity,
            sigma_ah=capacity * spread,
            delta_soc=delta,
            charge_ah=charge,
        ),
        sigma=sigma,
        offset_per_a=offset_per_a,
        table=table,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
