"""The doctor's checks, one function each: a chart and maybe a battery in, findings out."""

import numpy as np

from evitals.battery import Battery
from evitals.telemetry.chart import Chart, Floats, median
from evitals.telemetry.examination import Check, Examination
from evitals.telemetry.findings import found, whole
from evitals.telemetry.recording import Finding, Severity
from evitals.telemetry.stuck import MOVED_MPS, stuck

SIGN_SOC_SPAN = 0.02
"""SoC change from which its direction is compared with the current's."""
SIGN_STEPS = 20
"""Current steps needed to judge the sign by voltage."""
SIGN_STEP_SHARE = 0.05
TREND_SHARE = 0.10
"""Voltage change over the usual voltage from which its trend tells the sign."""
CAPACITY_SOC_SPAN = 0.10
"""SoC change from which a capacity is implied."""
CAPACITY_LOW, CAPACITY_HIGH = 0.5, 1.35
"""Capacity over the reference capacity that can be true."""
SHOWN_CAPACITY_LOW = 0.9
SHOWN_SOC_MARGIN = 0.02
TIME_SLIP_STEP_S = 90.0
TIME_SLIP_CAPACITIES = 20.0
TIME_SLIP_LIKENESS = 0.9
LIKENESS_ROWS = 10
KILOWATT_RATIO = (0.0003, 0.003)
VOLTAGE_MARGIN = 0.05
"""Share of the allowed voltage range by which it may be left under load."""
LEVEL_RATIO = 2.0
MISSING_SHARE = 0.10
TRANSIENT_S = 15.0
LOCAL = frozenset(
    {"gap", "backward_time", "duplicate_stamp", "nan_share", "stuck_sensor", "out_of_range"}
    | {"start_transient"}
)
"""Codes that speak of some samples: they are looked for in every trip anew."""


def _order(chart: Chart, _: Battery | None) -> list[Finding]:
    """duplicate_stamp, backward_time, gap."""
    steps = np.diff(chart.time)
    findings = []
    twice = np.flatnonzero(steps == 0.0) + 1
    if len(twice):
        message = f"{len(twice)} samples repeat the time of the sample before"
        remedy = "the first is kept"
        findings.append(found("duplicate_stamp", "info", twice, "time_s", message, remedy))
    back = np.flatnonzero(steps < 0.0) + 1
    if len(back):
        worst = -float(steps.min())
        message = f"time goes backward {len(back)} times, by up to {worst:g} s"
        remedy = "the recording is cut there; send samples in order"
        findings.append(found("backward_time", "warning", back, "time_s", message, remedy))
    gaps = np.array([row for row in chart.gaps if steps[row - 1] > 0.0], dtype=np.intp)
    if len(gaps):
        longest = float(steps[gaps - 1].max())
        message = f"{len(gaps)} gaps, the longest {longest:g} s"
        remedy = "the recording is cut there; charge moved in a gap is unknown"
        findings.append(found("gap", "warning", gaps, "time_s", message, remedy))
    return findings


def _missing(chart: Chart, _: Battery | None) -> list[Finding]:
    """nan_share: a needed signal is missing in many rows. All of SoC missing is no fault."""
    findings = []
    for name, values in (("current_a", chart.current), ("voltage_v", chart.voltage)):
        findings += _missing_in(name, values)
    if not np.isnan(chart.soc).all():
        findings += _missing_in("soc", chart.soc)
    return findings


def _missing_in(name: str, values: Floats) -> list[Finding]:
    rows = np.flatnonzero(np.isnan(values))
    share = len(rows) / len(values)
    if share <= MISSING_SHARE:
        return []
    message = f"{name} is missing in {share:.0%} of the samples"
    severity: Severity = "error" if share == 1.0 else "warning"
    return [found("nan_share", severity, rows, name, message, "it stays missing")]


def _sign(chart: Chart, _: Battery | None) -> list[Finding]:
    """sign_flip: SoC, else voltage, moves against the current; power against current x voltage."""
    findings = []
    agreement = _soc_agreement(chart)
    how = "SoC falls while the current says charge"
    if agreement is None:
        agreement = _voltage_agreement(chart)
        how = "voltage falls at every step of the current towards charge"
    if agreement is None:
        agreement = _trend_agreement(chart)
        how = "voltage falls while the current says charge"
    if agreement is not None and agreement < -0.5:
        message = f"{how} (agreement {agreement:.2f}): current is positive while discharging"
        remedy = "turn the current's sign, or name the source that writes it so"
        count = len(chart.time)
        findings.append(whole("sign_flip", "error", count, "current_a", message, remedy))
    product = chart.current * chart.voltage
    loaded = np.abs(product) > 0.05 * float(np.nanmax(np.abs(product), initial=1e-9))
    against = np.flatnonzero(loaded & (product * chart.power < 0.0))
    if len(against) > 0.5 * max(1, int(np.count_nonzero(loaded & ~np.isnan(chart.power)))):
        message = f"power opposes current x voltage in {len(against)} samples"
        remedy = "both are positive while charging"
        findings.append(found("sign_flip", "error", against, "power_w", message, remedy))
    return findings


def _soc_agreement(chart: Chart) -> float | None:
    """Correlation of SoC and charge moved between gaps, -1 to 1; None where SoC hardly changes."""
    socs, charges = [], []
    for rows in chart.stretches:
        known = ~np.isnan(chart.soc[rows])
        soc, charge = chart.soc[rows][known], chart.charge[rows][known]
        if len(soc) >= 3 and np.ptp(soc) >= SIGN_SOC_SPAN:
            socs.append(soc - soc.mean())
            charges.append(charge - charge.mean())
    if not socs:
        return None
    return _correlation(np.concatenate(socs), np.concatenate(charges))


def _voltage_agreement(chart: Chart) -> float | None:
    """Correlation of the steps of voltage and current, -1 to 1; None with too few large steps."""
    rise, jump = np.diff(chart.voltage), np.diff(chart.current)
    known = ~np.isnan(rise) & ~np.isnan(jump)
    if not known.any():
        return None
    large = known & (np.abs(jump) > SIGN_STEP_SHARE * float(np.nanmax(np.abs(chart.current))))
    return _correlation(rise[large], jump[large]) if large.sum() >= SIGN_STEPS else None


def _trend_agreement(chart: Chart) -> float | None:
    """Correlation of voltage and charge moved, -1 to 1; None where voltage changes little."""
    known = ~np.isnan(chart.voltage)
    if known.sum() < SIGN_STEPS:
        return None
    voltage = chart.voltage[known]
    if np.ptp(voltage) < TREND_SHARE * np.median(voltage):
        return None
    return _correlation(voltage, chart.charge[known])


def _correlation(a: Floats, b: Floats) -> float | None:
    if np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return None
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt(a @ a) * np.sqrt(b @ b))
    return float(a @ b) / size if size > 0.0 else None


def _units(chart: Chart, battery: Battery | None) -> list[Finding]:
    """time_in_ms, soc_in_percent, power_in_kw."""
    findings = []
    count = len(chart.time)
    soc_top = np.nanmax(chart.soc, initial=0.0)
    if soc_top > 1.5:
        message = f"soc runs to {soc_top:g}: percent where a fraction belongs"
        remedy = "divide by 100 and send it again"
        findings.append(whole("soc_in_percent", "error", count, "soc", message, remedy))
    if count > 1 and _is_milliseconds(chart, battery):
        step = float(np.median(np.diff(chart.time)))
        message = f"samples are {step:g} s apart and move impossibly much charge: milliseconds"
        remedy = "divide time by 1000 and send it again"
        findings.append(whole("time_in_ms", "error", count, "time_s", message, remedy))
    product = np.abs(chart.current * chart.voltage)
    loaded = product > 0.05 * float(np.nanmax(product, initial=1e-9))
    ratio = np.abs(chart.power[loaded]) / product[loaded]
    usual = median(ratio)
    if KILOWATT_RATIO[0] < usual < KILOWATT_RATIO[1]:
        message = f"power is {usual:.2g} of current x voltage: kW where W belong"
        remedy = "multiply by 1000 and send it again"
        findings.append(whole("power_in_kw", "error", count, "power_w", message, remedy))
    return findings


def _is_milliseconds(chart: Chart, battery: Battery | None) -> bool:
    if median(np.diff(chart.time)) < TIME_SLIP_STEP_S:
        return False
    known = ~np.isnan(chart.speed)
    if known.sum() >= LIKENESS_ROWS and np.ptp(chart.speed[known]) > MOVED_MPS:
        # Minutes apart, one speed tells little of the next; seconds apart, nearly all.
        likeness = _correlation(chart.speed[known][1:], chart.speed[known][:-1])
        return likeness is not None and likeness > TIME_SLIP_LIKENESS
    if battery is None:
        return False
    steps = np.abs(np.diff(chart.time))
    throughput = np.nansum(np.abs(chart.current[1:]) * steps) / 3600.0
    turns = _soc_travel(chart)
    return bool(
        throughput > TIME_SLIP_CAPACITIES * battery.reference_capacity_ah * max(turns, 0.05)
    )


def _soc_travel(chart: Chart) -> float:
    """How many full turns of SoC were travelled, up and down; 1 where SoC is not known."""
    soc = chart.soc[~np.isnan(chart.soc)]
    return float(np.abs(np.diff(soc)).sum()) if len(soc) > 1 else 1.0


def implied_capacity_ah(charge: Floats, soc: Floats) -> float | None:
    """Charge moved per unit of SoC between the highest and lowest SoC, Ah; None if it hardly moved.

    Arrays of shape (n,); NaN in ``soc`` is left out.
    """
    known = np.flatnonzero(~np.isnan(soc))
    if len(known) < 2:
        return None
    top, bottom = known[np.argmax(soc[known])], known[np.argmin(soc[known])]
    span = soc[top] - soc[bottom]
    if span < CAPACITY_SOC_SPAN:
        return None
    return float(abs(charge[top] - charge[bottom]) / span)


def _capacity(chart: Chart, soc: Floats) -> float | None:
    """The capacity that the stretches between gaps imply, Ah: their median, None without any."""
    charge = chart.charge if np.isnan(chart.counter).any() else chart.counter
    implied = [implied_capacity_ah(charge[rows], soc[rows]) for rows in chart.stretches]
    known = [capacity for capacity in implied if capacity is not None]
    return float(np.median(known)) if known else None


def _soc_channel(chart: Chart, battery: Battery | None) -> list[Finding]:
    """wrong_soc_channel: the charge moved does not fit the SoC's change.

    A displayed SoC spans the usable window, so it implies less capacity than the BMS's SoC: the two
    swapped, or a displayed SoC that reaches beyond the BMS's limit, gives itself away.
    """
    capacity = _capacity(chart, chart.soc)
    if capacity is None:
        return []
    shown = _capacity(chart, chart.shown)
    why = ""
    if shown is not None and capacity < 0.9 * shown:
        why = f"soc implies {capacity:.1f} Ah and soc_displayed {shown:.1f} Ah: they are swapped"
    elif battery is not None:
        reference = battery.reference_capacity_ah
        beyond = np.nanmax(chart.soc) > battery.limits.soc_max + SHOWN_SOC_MARGIN
        ratio = capacity / reference
        if not CAPACITY_LOW < ratio < CAPACITY_HIGH:
            why = f"soc implies {capacity:.1f} Ah where {reference:g} Ah are the reference"
        elif beyond and ratio < SHOWN_CAPACITY_LOW:
            why = (
                f"soc implies {capacity:.1f} Ah of {reference:g} Ah and exceeds the BMS's limit "
                f"{battery.limits.soc_max:g}: a displayed SoC"
            )
    if not why:
        return []
    remedy = "map the BMS's own SoC to soc, the displayed one to soc_displayed"
    return [whole("wrong_soc_channel", "error", len(chart.time), "soc", why, remedy)]


def _level(chart: Chart, battery: Battery | None) -> list[Finding]:
    """wrong_level (a pack's data for a cell or the reverse), out_of_range (beyond its voltages)."""
    if battery is None or np.isnan(chart.voltage).all():
        return []
    low, high = battery.voltage_min_v, battery.voltage_max_v
    usual = median(chart.voltage)
    stated = chart.level is not None and chart.level != battery.level
    if stated or usual > LEVEL_RATIO * high or usual < low / LEVEL_RATIO:
        message = f"{usual:.4g} V cannot be this {battery.level} of {low:g} to {high:g} V"
        if stated:
            message = (
                f"the source records a {chart.level}, the battery described is a {battery.level}"
            )
        remedy = "name the vehicle whose battery this is"
        return [whole("wrong_level", "error", len(chart.time), "voltage_v", message, remedy)]
    margin = VOLTAGE_MARGIN * (high - low) + battery.sensors.voltage_resolution_v
    rows = np.flatnonzero((chart.voltage < low - margin) | (chart.voltage > high + margin))
    if not len(rows):
        return []
    worst = chart.voltage[rows[np.argmax(np.abs(chart.voltage[rows] - usual))]]
    message = f"{len(rows)} voltages leave {low:g} to {high:g} V, worst {worst:g} V"
    severity: Severity = "error" if len(rows) > 0.5 * len(chart.time) else "warning"
    remedy = "check sensor and the description's limits"
    return [found("out_of_range", severity, rows, "voltage_v", message, remedy)]


def _cells(chart: Chart, battery: Battery | None) -> list[Finding]:
    """out_of_range: the lowest or highest cell beyond the limits of a cell. A warning only: a cell
    at fault is what one looks for, a telegram at fault is no reason to lose the trip."""
    if battery is None:
        return []
    low, high = battery.limits.cell_voltage_min_v, battery.limits.cell_voltage_max_v
    margin = VOLTAGE_MARGIN * (high - low)
    findings = []
    for name, values in chart.cells:
        rows = np.flatnonzero((values < low - margin) | (values > high + margin))
        if len(rows):
            worst = values[rows[np.argmax(np.abs(values[rows] - (low + high) / 2))]]
            message = f"{len(rows)} values leave {low:g} to {high:g} V, worst {worst:g} V"
            remedy = "look at that cell and its sensor"
            findings.append(found("out_of_range", "warning", rows, name, message, remedy))
    return findings


def _transient(chart: Chart, _: Battery | None) -> list[Finding]:
    """start_transient: in its first seconds a charge shows a strong discharge (NASA: -4 A)."""
    if not np.isnan(chart.speed).all():
        return []
    usual = median(chart.current)
    if not usual > 0.0:
        return []
    early = (chart.time <= TRANSIENT_S) & (chart.current < -usual)
    rows = np.flatnonzero(early)
    if not len(rows):
        return []
    message = f"a charge at {usual:.3g} A begins with {chart.current[rows].min():.3g} A"
    remedy = "a settling cycler; its charge is counted as measured"
    return [found("start_transient", "info", rows, "current_a", message, remedy)]


CHECKS: tuple[Check, ...] = (
    _order,
    _missing,
    _units,
    _sign,
    _soc_channel,
    _level,
    _cells,
    stuck,
    _transient,
)


LOCAL_CHECKS: tuple[Check, ...] = (_missing, _level, _cells, stuck, _transient)


def local_findings(examination: Examination) -> list[Finding]:
    """Findings about some samples of a trip: those with a code in ``LOCAL``."""
    return [f for f in examination.findings(LOCAL_CHECKS) if f.code in LOCAL]
