"""The SoC filter's trials: entered where they say, wrong as they say; the best tuning is taken."""

from dataclasses import replace

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.estimators.voltage.soc_filter import SocFilter, Tuning
from evitals.models.circuit_fit import Fold
from evitals.models.soc_tuning import (
    SCENARIOS,
    Outcome,
    Scenario,
    candidates,
    chosen,
    entered,
    errors_v,
    replay,
    widened,
)
from evitals.telemetry.celltest import CellTest
from tests.estimators.voltage.made_up import CAPACITY_AH, circuit, drive

TESTS = tuple(
    CellTest(f"at {degc:g}", "A", "city", drive(4000, 3, degc, 1.0), ambient_degc=degc)
    for degc in (-10.0, 10.0, 30.0)
)
FOLD = Fold("city", circuit(), TESTS)
GOOD = Tuning(error_v=(0.005, 0.005, 0.005))
DEAF = Tuning(error_v=(5.0, 5.0, 5.0), bias_a=1e-6, bias_walk_a=0.0)


def test_all_starts_and_sensor_errors_are_tried() -> None:
    assert len(SCENARIOS) == 20
    assert {s.start_soc for s in SCENARIOS} == {1.0, 0.8, 0.6}
    assert all(s.soc_error < 0.0 for s in SCENARIOS if s.start_soc == 1.0)
    assert {(s.bias_a, s.gain) for s in SCENARIOS} == {
        (b, g) for b in (-0.05, 0.05) for g in (0.99, 1.01)
    }


def test_a_drive_is_entered_where_it_reaches_the_soc() -> None:
    columns = entered(TESTS[1], 0.8)
    assert columns is not None
    assert columns["soc"][0] == pytest.approx(0.8, abs=0.005)
    whole = entered(TESTS[1], 1.0)
    assert whole is not None
    assert len(whole["soc"]) == len(TESTS[1])
    assert entered(TESTS[1], 0.01) is None
    short = {name: values[:200] for name, values in TESTS[1].columns.items()}
    assert entered(replace(TESTS[1], columns=short), 1.0) is None


def test_an_outcome_is_what_the_filter_did() -> None:
    scenario = Scenario(0.8, 0.2, 0.05, 1.01)
    (outcome,) = replay(circuit(), CAPACITY_AH, GOOD, TESTS[1:2], (scenario,))
    columns = entered(TESTS[1], 0.8)
    assert columns is not None
    found = SocFilter(circuit(), CAPACITY_AH, GOOD)
    found.reset(float(columns["soc"][0]) + 0.2, 0.2)
    current = 1.01 * columns["current_a"] + 0.05
    error = np.abs(found.run(columns | {"current_a": current}) - columns["soc"])[300:]
    assert outcome.settled == pytest.approx(error[0])
    assert outcome.rmse == pytest.approx(np.sqrt(np.mean(error**2)))
    assert outcome.largest == pytest.approx(error.max())
    assert outcome.burden == max(outcome.settled / 0.03, outcome.rmse / 0.013)


def test_the_cold_is_given_more() -> None:
    scenario = SCENARIOS[0]
    warm = Outcome("a", 0.0, scenario, 0.03, 0.013, 0.05)
    cold = Outcome("a", -0.1, scenario, 0.06, 0.035, 0.1)
    assert (warm.burden, cold.burden) == (1.0, 1.0)


def test_the_tuning_that_settles_is_chosen() -> None:
    best, burdens = chosen((FOLD,), CAPACITY_AH, (DEAF, GOOD))
    assert best == GOOD
    assert burdens[1] < 2.0 < burdens[0]
    assert {t.error_v for t in candidates((FOLD,))} == {errors_v((FOLD,))}


def test_the_errors_are_those_of_drives_not_seen() -> None:
    # The drives are the circuit's own with 1 mV of noise.
    assert errors_v((FOLD,)) == pytest.approx((1e-3, 1e-3, 1e-3), rel=0.1)


def test_without_a_drive_that_fits_there_is_nothing_to_choose() -> None:
    with pytest.raises(InputError, match="longer drives"):
        chosen((FOLD,), CAPACITY_AH, (GOOD,), (Scenario(0.01, 0.1),))


def test_the_interval_is_widened_until_it_holds() -> None:
    # Believes its circuit to 0.1 mV while the drives carry 1 mV and the sensor is off.
    sure = Tuning(error_v=(1e-4, 1e-4, 1e-4), resistive=0.0, current_share=0.0, bias_a=0.001)
    wide = widened((FOLD,), CAPACITY_AH, sure)
    assert wide.widen > 1.5
    holds = [o.widen <= 1.0 for o in replay(circuit(), CAPACITY_AH, wide, TESTS)]
    before = [o.widen <= 1.0 for o in replay(circuit(), CAPACITY_AH, sure, TESTS)]
    assert np.mean(holds) >= 0.89 > np.mean(before)
