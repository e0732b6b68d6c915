"""A made-up pack and its segments: SoC, charge and rest voltages that obey a known capacity."""

from typing import Any

import numpy as np

from evitals.battery import Battery, Limits, Sensors
from evitals.cells.chemistry import chemistry
from evitals.estimators.answer import Segment
from evitals.features import extract

DAY = 86_400


def pack(chemistry_name: Any = "NMC", **changes: Any) -> Any:
    fields = {
        "level": "pack",
        "series": 96,
        "chemistry": chemistry_name,
        "reference_capacity_ah": 60.0,
        "rated_power_w": 125_000.0,
        "limits": Limits(
            cell_voltage_min_v=2.8,
            cell_voltage_max_v=4.2,
            discharge_current_a=400.0,
            charge_current_a=150.0,
        ),
        "sensors": Sensors(soc_resolution=0.005),
    }
    return Battery(**(fields | changes))


def drive_columns(
    capacity: Any = 54.0,
    soc: Any = 0.85,
    current: Any = -40.0,
    seconds: Any = 1500,
    dt: Any = 1.0,
    degc: Any = 22.0,
    seed: Any = 1,
    step: Any = 0.005,
) -> Any:
    """Columns of a drive whose reported SoC counts the measured current over ``capacity``."""
    rng = np.random.default_rng(seed)
    t = np.arange(0.0, seconds + dt / 2, dt)
    i = current + 20.0 * rng.standard_normal(t.size)
    moved = np.concatenate([[0.0], np.cumsum(0.5 * (i[1:] + i[:-1]) * dt)]) / 3600.0
    reported = np.round((soc + moved / capacity) / step) * step
    return {
        "time_s": t,
        "current_a": i,
        "voltage_v": 360.0 + 0.1 * i,
        "temperature_degc": np.full(t.size, degc),
        "soc": reported,
    }


def segment(
    columns: Any,
    battery: Any,
    *,
    day: Any = 0.0,
    kind: Any = "drive",
    continues: Any = False,
    name: Any = "",
    findings: Any = (),
) -> Any:
    return Segment(
        kind=kind,
        event_s=int(1_700_000_000 + day * DAY),
        event_assumed=False,
        duration_s=float(columns["time_s"][-1] - columns["time_s"][0]),
        continues=continues,
        digest=name or f"{kind}-{day}",
        features=extract(columns, battery),
        findings=frozenset(findings),
    )


def drive(
    battery: Any, day: Any = 0.0, continues: Any = False, findings: Any = (), **changes: Any
) -> Any:
    return segment(
        drive_columns(**changes), battery, day=day, continues=continues, findings=findings
    )


def rest(
    battery: Any,
    soc: Any,
    day: Any = 0.0,
    *,
    seconds: Any = 5400,
    continues: Any = False,
    degc: Any = 22.0,
    drift_v: Any = 0.0,
    reported: Any = None,
) -> Any:
    """A rest at true ``soc`` by the chemistry's own table, optionally still drifting."""
    t = np.arange(0.0, seconds + 1, 60.0)
    volts = battery.series * float(chemistry(battery.chemistry).ocv(soc, degc))
    columns = {
        "time_s": t,
        "current_a": np.zeros(t.size),
        "voltage_v": volts + drift_v * (t - t[-1]) / 3600.0,
        "temperature_degc": np.full(t.size, degc),
        "soc": np.full(t.size, round(soc if reported is None else reported, 3)),
    }
    return segment(columns, battery, day=day, kind="rest", continues=continues)


def outing(
    battery: Any,
    day: Any,
    true_capacity: Any = 54.0,
    believed: Any = 54.0,
    soc: Any = 0.9,
    seconds: Any = 2400,
) -> Any:
    """Rest, drive, rest in one recording: the BMS counts on ``believed``, OCV knows the truth."""
    trip = drive(
        battery, day + 0.1, True, capacity=believed, soc=soc, seconds=seconds, seed=int(day)
    )
    moved = drive_columns(
        capacity=true_capacity, soc=soc, seconds=seconds, seed=int(day), step=1e-9
    )
    end = float(moved["soc"][-1])
    return [rest(battery, soc, day), trip, rest(battery, end, day + 0.2, continues=True)]
