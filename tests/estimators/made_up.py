"""A made-up pack and its segments: SoC, charge and rest voltages that obey a known capacity."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Battery, Limits, Sensors
from evitals.cells.chemistry import chemistry
from evitals.estimators.answer import Kind, Segment
from evitals.estimators.estimate import Estimate
from evitals.features import extract

DAY = 86_400
Columns = dict[str, NDArray[np.float64]]


class Interval(NamedTuple):
    """A value with its bounds, all known."""

    low: float
    value: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low


def known(value: float | None) -> float:
    """The number; fails where it is missing."""
    assert value is not None
    return value


def interval(estimate: Estimate) -> Interval:
    """The numbers of an answer; fails where it is unknown."""
    return Interval(known(estimate.low), known(estimate.value), known(estimate.high))


def pack(chemistry_name: str = "NMC", **changes: Any) -> Battery:
    fields: dict[str, Any] = {
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
    capacity: float = 54.0,
    soc: float = 0.85,
    current: float = -40.0,
    seconds: float = 1500,
    dt: float = 1.0,
    degc: float = 22.0,
    seed: int = 1,
    step: float = 0.005,
) -> Columns:
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
    columns: Columns,
    battery: Battery,
    *,
    day: float = 0.0,
    kind: Kind = "drive",
    continues: bool = False,
    name: str = "",
    findings: Iterable[str] = (),
) -> Segment:
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
    battery: Battery,
    day: float = 0.0,
    continues: bool = False,
    findings: Iterable[str] = (),
    **changes: Any,
) -> Segment:
    return segment(
        drive_columns(**changes), battery, day=day, continues=continues, findings=findings
    )


def rest(
    battery: Battery,
    soc: float,
    day: float = 0.0,
    *,
    seconds: float = 5400,
    continues: bool = False,
    degc: float = 22.0,
    drift_v: float = 0.0,
    reported: float | None = None,
) -> Segment:
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
    battery: Battery,
    day: float,
    true_capacity: float = 54.0,
    believed: float = 54.0,
    soc: float = 0.9,
    seconds: float = 2400,
) -> list[Segment]:
    """Rest, drive, rest in one recording: the BMS counts on ``believed``, OCV knows the truth."""
    trip = drive(
        battery, day + 0.1, True, capacity=believed, soc=soc, seconds=seconds, seed=int(day)
    )
    moved = drive_columns(
        capacity=true_capacity, soc=soc, seconds=seconds, seed=int(day), step=1e-9
    )
    end = float(moved["soc"][-1])
    return [rest(battery, soc, day), trip, rest(battery, end, day + 0.2, continues=True)]
