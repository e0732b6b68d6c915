"""Every feature once: name, unit, packed form, definition. The vector's order is this order.

Packed forms: ``f3`` a float32 without its last mantissa byte (relative step 1.5e-5), ``f2`` a
float16, ``u2`` a fraction in steps of 2e-5, ``u1`` a share in steps of 1/254, ``--`` not stored
because it follows from other features. ``default`` is the value that costs no byte.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Literal

Form = Literal["f3", "f2", "u2", "u1", "--"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One number a stretch of telemetry is summarised by."""

    name: str
    unit: str
    form: Form
    default: float
    definition: str


C_RATE_EDGES = (-2.0, -1.0, -0.5, -0.05, 0.05, 0.5, 1.0)
"""Edges of the C-rate histogram, 1/h, negative while discharging."""

TEMPERATURE_EDGES_DEGC = (-10.0, 0.0, 15.0, 30.0, 45.0)
"""Edges of the temperature histogram, degC."""


def _histogram(stem: str, unit: str, edges: tuple[float, ...], what: str) -> list[Feature]:
    bounds = [f"below {edges[0]:g}"]
    bounds += [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    bounds += [f"{edges[-1]:g} and above"]
    return [
        Feature(f"{stem}_{k}", "1", "u1", 0.0, f"share of time with {what} {bound} {unit}")
        for k, bound in enumerate(bounds)
    ]


def _f(name: str, unit: str, form: Form, definition: str, default: float = nan) -> Feature:
    return Feature(name, unit, form, default, definition)


FEATURES: tuple[Feature, ...] = (
    _f("duration_s", "s", "f3", "time from the first to the last sample"),
    _f("step_s", "s", "f2", "mean time between samples"),
    _f("charge_in_ah", "Ah", "f3", "charge that went in (trapezoid over positive current)"),
    _f("charge_out_ah", "Ah", "f3", "charge that came out, positive"),
    _f("net_charge_ah", "Ah", "--", "charge_in_ah - charge_out_ah"),
    _f("energy_in_wh", "Wh", "f2", "energy that went in at the terminals"),
    _f("energy_out_wh", "Wh", "f2", "energy that came out at the terminals, positive"),
    _f("charge_sigma_ah", "Ah", "f2", "sampling error of the net charge: sqrt(sum (dI dt)^2 / 12)"),
    _f("equivalent_full_cycles", "1", "f2", "(charge in + charge out) / 2 / reference capacity"),
    _f("soc_first", "1", "u2", "first reported SoC"),
    _f("soc_last", "1", "u2", "last reported SoC"),
    _f("soc_min", "1", "u2", "lowest reported SoC"),
    _f("soc_max", "1", "u2", "highest reported SoC"),
    _f("soc_span", "1", "--", "soc_max - soc_min"),
    _f("soc_step_max", "1", "f2", "largest change of SoC between neighbouring samples"),
    _f(
        "soc_jump_max",
        "1",
        "f2",
        "largest change of SoC between neighbouring samples beyond the charge counted there over "
        "the reference capacity",
    ),
    _f(
        "soc_window_error",
        "1",
        "f2",
        "largest difference between SoC change and counted charge over the reference capacity in "
        "windows of 120 s",
    ),
    _f("soc_charge_ah", "Ah", "f3", "net charge between the first and the last reported SoC"),
    _f("soc_duration_s", "s", "f3", "time between the first and the last reported SoC"),
    _f("soc_capacity_ah", "Ah", "f3", "charge per unit of SoC: 1 / slope of SoC over charge"),
    _f("soc_fit_rms", "1", "f2", "root mean square of SoC minus that line, time-weighted"),
    _f("soc_fit_spread", "1", "f2", "standard deviation of the line's SoC, time-weighted"),
    _f("rest_start_s", "s", "f3", "rest at the start: time with |current| below C/50", 0.0),
    _f("rest_start_voltage_v", "V", "f3", "voltage at the end of the rest at the start"),
    _f("rest_start_temperature_degc", "degC", "f2", "temperature at the end of that rest"),
    _f("rest_end_s", "s", "f3", "rest at the end: time with |current| below C/50", 0.0),
    _f("rest_end_voltage_v", "V", "f3", "voltage at the end of the rest at the end"),
    _f("rest_end_temperature_degc", "degC", "f2", "temperature at the end of that rest"),
    _f("rest_end_slope_v_per_h", "V/h", "f2", "drift of the voltage over its last 10 minutes"),
    _f(
        "resistance_ohm",
        "ohm",
        "f2",
        "incremental resistance: least squares of voltage steps over current steps of at least "
        "C/10 within 1.0 to 2.5 s",
    ),
    _f("resistance_sigma_ohm", "ohm", "f2", "standard error of that slope"),
    _f("resistance_soc", "1", "u2", "SoC at those steps, weighted by dI^2"),
    _f("resistance_temperature_degc", "degC", "f2", "temperature at those steps, same weights"),
    _f("resistance_steps", "1", "f2", "how many such steps", 0.0),
    *_histogram("c_rate", "1/h", C_RATE_EDGES, "C-rate"),
    *_histogram("temperature", "degC", TEMPERATURE_EDGES_DEGC, "temperature"),
    _f("outside_voltage_s", "s", "f2", "time outside the voltage limits", 0.0),
    _f("outside_current_s", "s", "f2", "time outside the current limits", 0.0),
    _f("outside_temperature_s", "s", "f2", "time outside the temperature limits", 0.0),
    _f("voltage_mean_v", "V", "f2", "time-weighted mean voltage"),
    _f("voltage_std_v", "V", "f2", "time-weighted standard deviation of the voltage"),
    _f("voltage_min_v", "V", "f2", "lowest voltage"),
    _f("voltage_max_v", "V", "f2", "highest voltage"),
    _f("current_mean_a", "A", "f3", "time-weighted mean current"),
    _f("current_std_a", "A", "f2", "time-weighted standard deviation of the current"),
    _f("current_min_a", "A", "f2", "strongest discharge current"),
    _f("current_max_a", "A", "f2", "strongest charge current"),
    _f("temperature_mean_degc", "degC", "f2", "time-weighted mean temperature"),
    _f("temperature_std_degc", "degC", "f2", "time-weighted standard deviation of temperature"),
    _f("temperature_min_degc", "degC", "f2", "lowest temperature"),
    _f("temperature_max_degc", "degC", "f2", "highest temperature"),
    _f("distance_km", "km", "f3", "distance driven (integral of speed)"),
    _f("last_voltage_v", "V", "f2", "voltage of the last sample that has one"),
    _f("last_current_a", "A", "f2", "current of the last sample that has one"),
    _f("last_temperature_degc", "degC", "f2", "temperature of the last sample that has one"),
    _f("gap_s", "s", "f3", "time in steps over 120 s between two known currents, not at rest", 0.0),
    _f("missing_current", "1", "u1", "share of samples without current", 0.0),
    _f("missing_voltage", "1", "u1", "share of samples without voltage", 0.0),
    _f("missing_temperature", "1", "u1", "share of samples without temperature", 0.0),
    _f("missing_soc", "1", "u1", "share of samples without SoC", 0.0),
)
"""All features in the order of the vector."""

INDEX: dict[str, int] = {feature.name: k for k, feature in enumerate(FEATURES)}
"""Position of a feature in the vector."""


def as_markdown() -> str:
    """The table in docs/features.md, which a test holds equal to this."""
    lines = ["| feature | unit | stored as | definition |", "|---|---|---|---|"]
    lines += [f"| `{f.name}` | {f.unit} | {f.form} | {f.definition} |" for f in FEATURES]
    return "\n".join(lines) + "\n"
