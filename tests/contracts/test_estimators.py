"""One contract for every estimator that is stepped: run equals step after step, reset forgets,
a checkpoint survives JSON, unknown is an answer."""

import json
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pytest

from evitals.battery import Battery, Limits, Sensors
from evitals.estimators.answer import Segment, Status
from evitals.estimators.assessor import Assessor
from evitals.estimators.capacity import bms_soc
from evitals.estimators.corrections import CorrectionChain
from evitals.estimators.estimate import Estimate
from evitals.estimators.evidence import Measurements
from evitals.estimators.health import HealthFilter
from evitals.estimators.resistance import ResistanceFilter
from evitals.estimators.rests import RestChain
from evitals.estimators.risk import RiskRule
from evitals.features import INDEX, Stream, extract
from evitals.settings import Settings

PACK = Battery(
    level="pack",
    series=96,
    chemistry="NMC",
    reference_capacity_ah=60.0,
    rated_power_w=125_000.0,
    limits=Limits(
        cell_voltage_min_v=2.8,
        cell_voltage_max_v=4.2,
        discharge_current_a=400.0,
        charge_current_a=150.0,
    ),
    sensors=Sensors(soc_resolution=0.005),
)


def columns(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    t = np.arange(1200.0)
    current = -35.0 + 20.0 * rng.standard_normal(t.size)
    moved = np.concatenate([[0.0], np.cumsum(0.5 * (current[1:] + current[:-1]))]) / 3600.0
    return {
        "time_s": t,
        "current_a": current,
        "voltage_v": 360.0 + 0.09 * current,
        "temperature_degc": np.full(t.size, 20.0),
        "soc": np.round((0.8 + moved / 55.0) / 0.005) * 0.005,
    }


def made(day: int) -> Segment:
    return Segment(
        kind="drive",
        event_s=1_700_000_000 + day * 86_400,
        event_assumed=False,
        duration_s=1199.0,
        continues=False,
        digest=f"trip-{day}",
        features=extract(columns(day), PACK),
    )


SEGMENTS = [made(day) for day in range(9)]


def step_resistance(filter_: ResistanceFilter, s: Segment) -> Estimate:
    f = s.features
    filter_.step(
        event_s=s.event_s,
        resistance_ohm=float(f[INDEX["resistance_ohm"]]),
        soc=float(f[INDEX["resistance_soc"]]),
        temperature_degc=float(f[INDEX["resistance_temperature_degc"]]),
        steps=float(f[INDEX["resistance_steps"]]),
    )
    return filter_.estimate()


def step_health(filter_: HealthFilter, s: Segment) -> Estimate:
    filter_.step(bms_soc(s, PACK))
    return filter_.soh()


def step_risk(rule: RiskRule, s: Segment) -> Status:
    return rule.step(0.9 - 0.03 * (s.event_s % 7), None, new_evidence=True)


class Stepped(Protocol):
    """What every estimator of a fold can do; how it is stepped differs."""

    def reset(self) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


Kind = tuple[Callable[[], Stepped], Callable[[Any, Segment], object]]
ESTIMATORS: dict[str, Kind] = {
    "assessor": (lambda: Assessor(PACK), lambda e, s: e.step(s)),
    "health": (lambda: HealthFilter(PACK, Settings()), step_health),
    "measurements": (lambda: Measurements(PACK), lambda e, s: e.step(s)),
    "correction_chain": (lambda: CorrectionChain(PACK), lambda e, s: e.step(s)),
    "rest_chain": (lambda: RestChain(PACK), lambda e, s: e.step(s)),
    "resistance": (lambda: ResistanceFilter(PACK), step_resistance),
    "risk": (lambda: RiskRule(Settings()), step_risk),
}


@pytest.fixture(params=ESTIMATORS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return ESTIMATORS[request.param]


def test_two_of_a_kind_answer_alike(kind: Kind) -> None:
    new, step = kind
    one, two = new(), new()
    assert [step(one, s) for s in SEGMENTS] == [step(two, s) for s in SEGMENTS]


def test_reset_is_as_good_as_new(kind: Kind) -> None:
    new, step = kind
    used, fresh = new(), new()
    for s in SEGMENTS:
        step(used, s)
    used.reset()
    assert used.state() == fresh.state()
    assert [step(used, s) for s in SEGMENTS] == [step(fresh, s) for s in SEGMENTS]


@pytest.mark.parametrize("at", [0, 1, 4, 9])
def test_a_checkpoint_survives_json(kind: Kind, at: int) -> None:
    new, step = kind
    whole, part, resumed = new(), new(), new()
    expected = [step(whole, s) for s in SEGMENTS]
    for s in SEGMENTS[:at]:
        step(part, s)
    resumed.restore(json.loads(json.dumps(part.state())))
    assert [step(resumed, s) for s in SEGMENTS[at:]] == expected[at:]
    assert resumed.state() == whole.state()


def test_state_is_a_copy(kind: Kind) -> None:
    new, step = kind
    estimator = new()
    step(estimator, SEGMENTS[0])
    before = json.dumps(estimator.state())
    kept = estimator.state()
    for s in SEGMENTS[1:]:
        step(estimator, s)
    assert json.dumps(kept) == before


@pytest.mark.parametrize("nonsense", [{}, {"mean": "x"}, {"status": 3}, {"anchor": [1]}])
def test_a_foreign_state_is_refused(kind: Kind, nonsense: dict[str, Any]) -> None:
    new, _ = kind
    with pytest.raises(ValueError, match="state"):
        new().restore(nonsense)


def test_the_assessors_run_is_its_steps() -> None:
    one, two = Assessor(PACK), Assessor(PACK)
    assert one.run(SEGMENTS) == [two.step(s) for s in SEGMENTS]


def test_the_streams_samples_are_the_extract() -> None:
    stream = Stream(PACK)
    made_columns = columns(0)
    for k in range(1200):
        stream.step({name: float(values[k]) for name, values in made_columns.items()})
    assert np.array_equal(stream.vector(), SEGMENTS[0].features, equal_nan=True)
