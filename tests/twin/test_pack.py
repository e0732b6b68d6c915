"""The pack: kernel against reference, conservation of charge and energy, limits."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evitals.errors import InputError
from evitals.twin import cell, circuit, reference
from evitals.twin.pack import Pack, State


def steps(n: int, step_s: float = 1.0) -> np.ndarray:
    step = np.full(n, step_s)
    step[0] = 0.0
    return step


@pytest.mark.parametrize(("soc", "ambient"), [(0.85, 25.0), (0.5, -10.0), (0.3, 40.0)])
def test_the_kernel_equals_the_plain_reference(pack: Pack, soc: float, ambient: float) -> None:
    rng = np.random.default_rng(4)
    power = rng.uniform(-60e3, 25e3, 400) * (rng.random(400) > 0.2)
    state = State(soc, 0.001, -0.004, ambient, -12.0)
    trace = pack.run(state, steps(400), power, ambient)
    plain = reference.run(
        steps(400), power, ambient, True, pack.parameters(), pack.tables(), state.vector()
    )
    for got, expected, tolerance in zip(
        (trace.current_a, trace.voltage_v, trace.soc, trace.temperature_degc),
        plain,
        (2e-3, 1e-3, 1e-6, 1e-4),
        strict=False,
    ):
        np.testing.assert_allclose(got, expected, rtol=0.0, atol=tolerance)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(soc=st.floats(0.2, 0.9), kw=st.floats(-60, 40), soh=st.floats(0.5, 1.05))
def test_charge_over_true_soc_change_is_the_true_capacity(
    pack: Pack, soc: float, kw: float, soh: float
) -> None:
    aged = replace(pack, soh=soh)
    trace = aged.run(State(soc), steps(300), np.full(300, kw * 1000.0))
    charge_ah = float(np.trapezoid(trace.current_a, np.cumsum(trace.step_s))) / 3600.0
    moved = trace.soc[-1] - trace.soc[0]
    if abs(moved) > 1e-4:
        assert charge_ah / moved == pytest.approx(aged.capacity_ah, rel=1e-6)


def test_power_asked_is_power_given_within_limits(pack: Pack) -> None:
    power = np.linspace(-50e3, 30e3, 200)
    trace = pack.run(State(0.6), steps(200), power)
    np.testing.assert_allclose(trace.current_a * trace.voltage_v, power, rtol=2e-4, atol=0.5)


def test_energy_that_goes_round_is_lost_as_heat(pack: Pack) -> None:
    cold = State(0.6, temperature_degc=20.0)
    power = np.tile(np.repeat([-40e3, 40e3], 30), 10)
    trace = pack.run(cold, steps(600), power, 20.0, awake=False)
    back = pack.park(trace.state, 36_000.0, 20.0)
    stored_v = np.interp([0.6, back.soc], np.linspace(0, 1, cell.GRID), cell.ocv_table(pack.cell))
    stored_j = (back.soc - 0.6) * 3600 * pack.capacity_ah * stored_v.mean() * 96
    lost_j = float(np.sum(power)) - stored_j
    heat_j = (trace.state.temperature_degc - 20.0) * pack.parameters()[circuit.HEAT_J_PER_K]
    passive_j = pack.parameters()[circuit.PASSIVE_W_PER_K] * float(
        np.sum((trace.temperature_degc - 20.0) * trace.step_s)
    )
    assert lost_j > 0.0
    assert heat_j + passive_j == pytest.approx(lost_j, rel=0.05)


def test_limits_hold(pack: Pack) -> None:
    limits = pack.battery.limits
    full = pack.run(State(0.97), steps(3000), np.full(3000, 150e3))
    assert full.voltage_v.max() <= 96 * limits.cell_voltage_max_v + 0.05
    assert full.current_a.max() <= limits.charge_current_a
    assert full.soc.max() <= 1.0 + 1e-6
    empty = pack.run(State(0.05, temperature_degc=-15.0), steps(3000), np.full(3000, -150e3), -15.0)
    assert empty.voltage_v.min() >= 96 * limits.cell_voltage_min_v - 0.05
    assert empty.current_a.min() >= -limits.discharge_current_a
    assert empty.soc.min() >= -1e-6


def test_a_colder_or_older_pack_has_more_resistance(pack: Pack) -> None:
    def sag(pack: Pack, degc: float) -> float:
        state = State(0.5, temperature_degc=degc)
        trace = pack.run(state, steps(11), np.full(11, -40e3), degc)
        return float(cell.ocv(pack.cell, 0.5)) * 96 - float(trace.voltage_v[-1])

    assert sag(pack, -10.0) > 1.5 * sag(pack, 25.0)
    assert sag(pack, 25.0) > 1.1 * sag(replace(pack, growth=1.0), 25.0)


def test_charging_stops_where_asked(pack: Pack) -> None:
    trace = pack.run(State(0.4), steps(2000, 30.0), np.full(2000, 7e3), soc_stop=0.7)
    assert 0.7 <= trace.soc[-1] < 0.702
    assert trace.soc.size < 2000


def test_parking_relaxes_voltage_and_temperature(pack: Pack) -> None:
    hot = pack.run(State(0.8), steps(600), np.full(600, -40e3)).state
    rested = pack.park(hot, 300_000.0, 5.0)
    assert rested.soc == pytest.approx(hot.soc, abs=1e-4)
    assert abs(rested.x2_v) < 1e-9 < abs(hot.x2_v)
    assert rested.temperature_degc == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("field", ["mass_kg", "soh", "growth"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_an_impossible_pack_is_refused_by_field(pack: Pack, field: str, value: float) -> None:
    changes: dict[str, Any] = {field: value}
    with pytest.raises(InputError, match=field):
        replace(pack, **changes)
