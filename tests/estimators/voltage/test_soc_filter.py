"""The SoC filter: finds the truth from a wrong start with a wrong sensor, and knows what it
does not know."""

import json
import math
from typing import Any

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.estimators.voltage.soc_filter import SocFilter, Tuning
from tests.estimators.voltage.made_up import CAPACITY_AH, circuit, drive

TUNING = Tuning(error_v=(0.01, 0.01, 0.01))


def made(**changes: Any) -> SocFilter:
    return SocFilter(circuit(**changes), CAPACITY_AH, TUNING)


@pytest.mark.parametrize("error", [-0.2, 0.2])
@pytest.mark.parametrize(("bias_a", "gain"), [(0.05, 1.01), (-0.05, 0.99), (0.05, 0.99)])
@pytest.mark.parametrize("degc", [-8.0, 22.0])
def test_a_wrong_start_and_a_wrong_sensor_are_found_out(
    error: float, bias_a: float, gain: float, degc: float
) -> None:
    true = drive(degc=degc, start=0.75)
    found = made()
    found.reset(0.75 + error, 0.2)
    off = np.abs(found.run(true | {"current_a": gain * true["current_a"] + bias_a}) - true["soc"])
    assert off[0] > 0.05 or off[0] < abs(error)
    assert off[300] <= 0.03
    assert np.sqrt(np.mean(off[300:] ** 2)) <= 0.013
    answer = found.estimate()
    assert answer.validity == "valid"
    assert answer.low is not None
    assert answer.high is not None
    assert answer.low <= true["soc"][-1] <= answer.high


def test_the_sensors_offset_is_learned() -> None:
    true = drive(rows=6000, start=1.0)
    found = made()
    found.reset(0.9, 0.2)
    found.run(true | {"current_a": true["current_a"] + 0.08})
    assert found.bias_a == pytest.approx(0.08, abs=0.03)


def test_run_is_step_after_step_and_a_state_survives_json() -> None:
    true = drive(rows=300)
    whole, half = made(), made()
    whole.reset(0.7)
    half.reset(0.7)
    expected = whole.run(true)
    names = ("current_a", "voltage_v", "temperature_degc")
    rows = list(zip(*(true[name].tolist() for name in names), strict=True))
    answers = [half.step(0.0 if k == 0 else 1.0, *row) for k, row in enumerate(rows[:150])]
    other = made()
    other.restore(json.loads(json.dumps(half.state())))
    answers += [other.step(1.0, *row) for row in rows[150:]]
    assert answers == pytest.approx(expected, abs=1e-12)
    other.reset(0.7)
    assert other.run(true) == pytest.approx(expected, abs=0.0)


def test_without_a_voltage_charge_is_counted() -> None:
    found = made()
    found.reset(0.5, 0.05)
    before = found.estimate()
    assert (before.value, before.reasons) == (None, ("no_sample",))
    for _ in range(360):
        soc = found.step(1.0, -3.0, math.nan, 20.0)
    assert soc == pytest.approx(0.4, abs=1e-9)
    assert found.step(1.0, 0.0, math.nan, math.nan) == pytest.approx(0.4, abs=1e-9)


@pytest.mark.parametrize(
    ("dt_s", "current_a"), [(60.0, math.nan), (-1.0, -2.0), (math.nan, -2.0), (1e6, -2.0)]
)
def test_what_cannot_be_counted_makes_it_less_sure(dt_s: float, current_a: float) -> None:
    true = drive(rows=600)
    found = made()
    found.reset(0.95)
    found.run(true)
    before = found.estimate()
    after = found.step(dt_s, current_a, 3.7, 20.0)
    assert after == before.value
    wide = found.estimate()
    assert wide.high is not None
    assert wide.low is not None
    assert before.high is not None
    assert before.low is not None
    assert wide.high - wide.low > before.high - before.low


def test_absurd_voltages_do_not_break_it() -> None:
    true = drive(rows=900)
    rng = np.random.default_rng(1)
    voltage = true["voltage_v"].copy()
    voltage[rng.integers(0, 900, 30)] = rng.choice([0.0, 1e6, -1e6, np.inf, np.nan], 30)
    found = made()
    found.reset(0.95, 0.02)
    soc = found.run(true | {"voltage_v": voltage})
    assert np.all((soc >= 0.0) & (soc <= 1.0))
    assert abs(soc[-1] - true["soc"][-1]) < 0.1


def test_a_circuit_without_kinetics_serves_too() -> None:
    plain = circuit(kinetic_a=None)
    true = drive(cell=plain)
    found = SocFilter(plain, CAPACITY_AH, TUNING)
    found.reset(0.8, 0.2)
    assert abs(found.run(true)[-1] - true["soc"][-1]) < 0.013


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="capacity_ah"):
        SocFilter(circuit(), 0.0, TUNING)
    with pytest.raises(InputError, match="error_v"):
        SocFilter(circuit(), 3.0, Tuning(error_v=(0.01,)))
    found = made()
    with pytest.raises(InputError, match="soc"):
        found.reset(1.3)
    with pytest.raises(InputError, match="voltage_v"):
        found.run({"time_s": [0.0], "current_a": [0.0]})
    with pytest.raises(InputError, match="length"):
        found.run(
            {
                "time_s": [0.0, 1.0],
                "current_a": [0.0],
                "voltage_v": [3.7, 3.7],
                "temperature_degc": [20.0, 20.0],
            }
        )
    for state in ({}, {"x": [0.0], "p": [[1.0]], "samples": 1}, made().state() | {"samples": -1}):
        with pytest.raises(InputError, match="state"):
            found.restore(state)
