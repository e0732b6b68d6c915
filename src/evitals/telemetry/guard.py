"""Values that cannot be real become missing, and are counted: nothing disappears silently."""

import numpy as np
import numpy.typing as npt
import polars as pl

from evitals.signals import SIGNALS
from evitals.telemetry.findings import found
from evitals.telemetry.recording import Finding, Severity
from evitals.telemetry.sources.source import Column

Array = npt.NDArray[np.float64]
CELL_VOLTAGE_HIGH = SIGNALS["cell_voltage_max_v"].high
PERCENT_HIGH = 105.0
SLIP_SHARE = 0.5
"""Above this share of impossible values the unit is wrong, not the sample."""


def convert(values: Array, column: Column, level: str | None) -> tuple[Array, list[Finding]]:
    """Raw values, shape (n,), NaN = missing, to the signal's unit; the unreal ones become NaN.

    Returns the values and findings: ``sentinel`` (a declared "no value"), ``not_finite``,
    ``impossible_value`` (outside the signal's range) and ``soc_in_percent``.
    """
    findings = []
    if column.sentinels:
        marked = np.isin(values, column.sentinels)
        if marked.any():
            values = np.where(marked, np.nan, values)
            findings.append(_sentinel(np.flatnonzero(marked), column))
    if column.scale != 1.0 or column.offset != 0.0:
        values = values * column.scale + column.offset
    signal = SIGNALS[column.signal]
    high = CELL_VOLTAGE_HIGH if level == "cell" and signal.name == "voltage_v" else signal.high
    real = (values >= signal.low) & (values <= high)
    if real.all():
        return values, findings
    bad = ~real & ~np.isnan(values)
    if bad.any():
        findings += _unreal(values, bad, column.signal, high)
        values = np.where(bad, np.nan, values)
    return values, findings


def _sentinel(rows: npt.NDArray[np.intp], column: Column) -> Finding:
    marks = ", ".join(f"{mark:g}" for mark in column.sentinels)
    message = (
        f"{len(rows)} values of {column.signal} are the logger's mark for 'no value' ({marks})"
    )
    return found("sentinel", "info", rows, column.signal, message, "none: they count as missing")


def _unreal(values: Array, bad: npt.NDArray[np.bool_], name: str, high: float) -> list[Finding]:
    signal = SIGNALS[name]
    infinite = np.isinf(values)
    outside = bad & ~infinite
    findings = []
    if infinite.any():
        rows = np.flatnonzero(infinite)
        message = f"{len(rows)} values of {name} are infinite"
        findings.append(
            found("not_finite", "warning", rows, name, message, "they count as missing")
        )
    if not outside.any():
        return findings
    rows = np.flatnonzero(outside)
    share = len(rows) / max(1, int(np.count_nonzero(~np.isnan(values))))
    if name.startswith("soc") and share > SLIP_SHARE and _percent(values[outside]):
        message = f"{name} runs to {np.max(values[outside]):g}: percent where a fraction belongs"
        remedy = "divide by 100 and send it again"
        return [*findings, found("soc_in_percent", "error", rows, name, message, remedy)]
    message = (
        f"{len(rows)} values of {name} lie outside {signal.low:g} to {high:g} {signal.unit}, "
        f"first {values[rows[0]]:g}"
    )
    severity: Severity = "error" if share > SLIP_SHARE else "warning"
    remedy = "check unit and sensor; they count as missing"
    return [*findings, found("impossible_value", severity, rows, name, message, remedy)]


def _percent(values: Array) -> bool:
    return bool(np.all((values > 0.0) & (values <= PERCENT_HIGH)))


def to_signals(
    raw: pl.DataFrame, columns: dict[str, Column], level: str | None
) -> tuple[pl.DataFrame, list[Finding]]:
    """Mapped columns as signals (float64, null where missing), and what was unreal."""
    findings: list[Finding] = []
    series = []
    for name, column in columns.items():
        given = raw.get_column(name)
        before = values = given.to_numpy()
        if column.signal == "time_s":
            # Guarded after it starts at 0: many files carry seconds since 1970 here.
            values = values * column.scale
        else:
            values, more = convert(values, column, level)
            findings += more
            if values is before and given.dtype == pl.Float64 and not np.isnan(values).any():
                series.append(given.alias(column.signal))
                continue
        series.append(pl.Series(column.signal, values, dtype=pl.Float64, nan_to_null=True))
    return pl.DataFrame(series), findings
