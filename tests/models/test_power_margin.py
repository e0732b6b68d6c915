"""The margin of power: what held-out drives exceed once in twenty."""

from dataclasses import replace

import pytest

from evitals.errors import InputError
from evitals.models.circuit_fit import Fold
from evitals.models.power_margin import calibrated
from evitals.telemetry.celltest import CellTest
from tests.estimators.voltage.made_up import circuit, drive

TESTS = tuple(
    CellTest(f"at {degc:g}", "A", "city", drive(4000, 3, degc, 1.0), ambient_degc=degc)
    for degc in (-10.0, 10.0, 30.0)
)


def test_a_circuit_that_is_right_needs_little() -> None:
    margin = calibrated((Fold("city", circuit(), TESTS),))
    assert margin.temperature_degc == (-10.0, 10.0, 30.0)
    assert all(0.0 <= share < 0.03 for share in margin.share)


def test_a_circuit_with_too_little_resistance_keeps_that_much_more() -> None:
    weak = circuit()
    weak = replace(weak, tables=weak.tables * [1.0, *[0.8] * (weak.tables.shape[2] - 1)])
    margin = calibrated((Fold("city", weak, TESTS),))
    # Drops are 1 / 0.8 of the predicted ones, but for the OCV's share in them.
    assert all(0.15 < share < 0.3 for share in margin.share)
    assert margin.at(-30.0) == margin.share[0]
    assert margin.at(20.0) == pytest.approx((margin.share[1] + margin.share[2]) / 2.0)


def test_too_few_strong_currents_are_refused() -> None:
    short = {name: values[:60] for name, values in TESTS[0].columns.items()}
    with pytest.raises(InputError, match="strong discharges at -10 degC"):
        calibrated((Fold("city", circuit(), (replace(TESTS[0], columns=short),)),))
