"""Charge between two corrections of the BMS's count measures the capacity it does not know."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from msgspec import structs

from evitals.battery import Battery, Limits, Sensors
from evitals.errors import InputError
from evitals.estimators.answer import Segment
from evitals.estimators.capacity import Measurement, bms_soc
from evitals.estimators.corrections import CorrectionChain
from evitals.estimators.health import HealthFilter
from evitals.features import INDEX, extract
from evitals.settings import Settings

TRUE_AH, BELIEVED_AH = 50.0, 53.0
START_S, HOUR_S = 1_700_000_000, 3600
PACK = Battery(
    level="pack",
    series=96,
    chemistry="NMC",
    reference_capacity_ah=60.0,
    limits=Limits(
        cell_voltage_min_v=2.8,
        cell_voltage_max_v=4.2,
        discharge_current_a=400.0,
        charge_current_a=150.0,
    ),
    sensors=Sensors(soc_resolution=0.005),
)


def segment(start_s: int, current_a: float, soc: float) -> Segment:
    """Half an hour at a constant current; the BMS counts from ``soc`` with its own capacity."""
    t = np.arange(0.0, 1801.0, 10.0)
    columns = {
        "time_s": t,
        "current_a": np.full(t.size, current_a),
        "voltage_v": np.full(t.size, 360.0),
        "temperature_degc": np.full(t.size, 20.0),
        "soc": np.round((soc + current_a * t / 3600.0 / BELIEVED_AH) / 0.005) * 0.005,
    }
    return Segment(
        kind="drive" if current_a < 0.0 else "charge",
        event_s=start_s,
        event_assumed=False,
        duration_s=1800.0,
        continues=False,
        digest=f"at-{start_s}",
        features=extract(columns, PACK),
    )


def life(days: int, *, corrects: bool, seed: int = 1, parked_h: int = 8) -> Iterator[Segment]:
    """Drives that empty the pack by a fifth and charges that fill it, hours apart."""
    rng = np.random.default_rng(seed)
    soc = believed = 0.8
    for k in range(2 * days):
        current = -20.0 if k % 2 == 0 else 20.0
        if corrects:
            believed = soc + rng.uniform(-0.005, 0.005)
        yield segment(START_S + k * parked_h * HOUR_S, current, believed)
        soc += current * 0.5 / TRUE_AH
        believed += current * 0.5 / BELIEVED_AH


def measured(segments: Iterator[Segment]) -> list[Measurement]:
    chain = CorrectionChain(PACK)
    return [made for s in segments if (made := chain.step(s)) is not None]


def test_corrected_readings_measure_the_true_capacity() -> None:
    made = [m.evidence for m in measured(life(30, corrects=True)) if not m.evidence.refused]
    capacities = [e.capacity_ah for e in made if e.capacity_ah is not None]
    assert len(capacities) > 40
    assert np.median(capacities) == pytest.approx(TRUE_AH, rel=0.01)
    assert {e.method for e in made} == {"bms_rest"}


def test_the_health_filter_leaves_the_capacity_the_bms_believes_in() -> None:
    health, chain = HealthFilter(PACK, Settings()), CorrectionChain(PACK)
    for s in life(40, corrects=True):
        health.step(bms_soc(s, PACK))
        made = chain.step(s)
        if made is not None:
            health.step(made)
    soh, bms = health.soh(), health.capacity("bms_soc")
    assert soh.value == pytest.approx(TRUE_AH / 60.0, abs=0.012)
    assert soh.low is not None
    assert soh.high is not None
    assert soh.low <= TRUE_AH / 60.0 <= soh.high
    assert bms.value == pytest.approx(BELIEVED_AH, rel=0.01)


def test_a_bms_that_never_corrects_is_not_believed_after_rests() -> None:
    made = measured(life(20, corrects=False))
    assert made
    assert {m.evidence.refused for m in made} == {"no_correction"}


def test_charge_nobody_recorded_ends_the_chain() -> None:
    segments = list(life(10, corrects=True))
    kept = [s for k, s in enumerate(segments) if k != 9]
    for made in measured(iter(kept)):
        if not made.evidence.refused:
            assert made.evidence.capacity_ah == pytest.approx(TRUE_AH, rel=0.1)


def test_days_without_a_recording_end_the_chain() -> None:
    assert measured(life(10, corrects=True, parked_h=80)) == []


def test_assumed_dates_tell_no_rest() -> None:
    undated = (structs.replace(s, event_assumed=True) for s in life(10, corrects=True))
    assert measured(undated) == []


def test_without_soc_the_chain_begins_anew() -> None:
    segments = list(life(10, corrects=True))
    blind = segments[10].features.copy()
    blind[INDEX["soc_first"]] = math.nan
    segments[10] = structs.replace(segments[10], features=blind)
    starts = {m.evidence.event_s for m in measured(iter(segments))}
    assert segments[10].event_s not in starts
    assert segments[11].event_s not in starts
    assert segments[13].event_s in starts


def test_a_foreign_checkpoint_is_refused() -> None:
    with pytest.raises(InputError, match="replay"):
        CorrectionChain(PACK).restore({"habit": [1]})
