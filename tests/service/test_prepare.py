"""From a recording to trips in features: what an estimator gets to know."""

import msgspec
import numpy as np
import polars as pl

from evitals.battery import describe
from evitals.estimators.capacity import bms_soc
from evitals.service.fold import segment
from evitals.service.prepare import prepare
from evitals.telemetry import Finding, Recording

VEHICLE = describe("bmw-i3-60ah")


def recording(signal: str) -> Recording:
    """Half an hour at 30 A; a tenth of the current is an error code, found in ``signal``."""
    time_s = np.arange(0.0, 1800.0)
    current = np.where(time_s % 10 == 3, np.nan, -30.0)
    table = pl.DataFrame(
        {
            "time_s": time_s,
            "current_a": current,
            "voltage_v": 370.0 - time_s / 1000,
            "soc": 0.8 - 30.0 * time_s / 3600 / 61.0,
            "temperature_degc": np.full(1800, 20.0),
            "speed_mps": np.full(1800, 15.0),
        }
    ).with_columns(pl.col("current_a").fill_nan(None))
    rows = tuple(np.flatnonzero(np.isnan(current))[:5].tolist())
    found = Finding("sentinel", "info", 180, rows, signal, "180 values are error codes")
    return Recording(table=table, source="own", digest="ab" * 32, findings=(found,))


def refusal(signal: str) -> str:
    trip = prepare(recording(signal), VEHICLE).trips[0]
    dated = msgspec.structs.replace(trip, event_s=1_700_000_000)
    return bms_soc(segment(dated), VEHICLE.battery).evidence.refused


def test_error_codes_in_the_current_are_the_reason_of_the_refusal() -> None:
    assert refusal("current_a") == "sentinel"


def test_error_codes_elsewhere_are_not() -> None:
    assert refusal("odometer_km") == "missing_current"
