"""The compiled kernel: equal to the plain reference, conserving, within limits, step-free."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from evitals.twin import cell, circuit, reference
from evitals.twin.circuit import CURRENT_A, HIGHEST_V, LOWEST_V, SOC, TEMPERATURE_DEGC, VOLTAGE_V
from evitals.twin.pack import Climate, Pack, State, Weakest

LOOSE = [HealthCheck.function_scoped_fixture]
KEEP = settings(suppress_health_check=LOOSE, deadline=None, max_examples=25)
CELLS = ("nmc811-lgm50", "nca-kim2011", "lfp-prada2013")
NEAR = {CURRENT_A: 0.5, VOLTAGE_V: 0.1, SOC: 1e-5, TEMPERATURE_DEGC: 2e-3}
NEAR |= {LOWEST_V: 1e-3, HIGHEST_V: 1e-3}
"""Of a pack of 120 Ah and 96 cells: the kernel takes the OCV as straight within a step."""
LIMIT_V, LIMIT_A = 1e-3, 1e-6
"""No cell leaves its voltages by more, no current its bound, in steps of up to 10 s."""


def run(
    pack: Pack, state: State, step_s: np.ndarray, power_w: np.ndarray, ambient: float = 22.0,
    awake: bool = True,
) -> np.ndarray:  # fmt: skip
    out, vector = np.full((circuit.OUTPUTS, step_s.size), np.nan), state.vector()
    p, tables = pack.parameters(), pack.tables()
    done = circuit.kernel(step_s, power_w, ambient, awake, 2.0, p, tables, vector, out)
    assert done == step_s.size
    return out


def wild(seed: int, n: int, low: float = -120e3, high: float = 90e3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, n) * (rng.random(n) > 0.2)


@KEEP
@given(
    name=st.sampled_from(CELLS),
    soc=st.floats(0.02, 0.99),
    degc=st.floats(-25.0, 54.0),
    capacity=st.floats(0.8, 1.0),
    resistance=st.floats(1.0, 2.5),
    step_s=st.sampled_from([0.5, 1.0]),
    seed=st.integers(0, 999),
)
def test_the_kernel_equals_the_plain_reference(
    pack: Pack, name: str, soc: float, degc: float, capacity: float, resistance: float,
    step_s: float, seed: int,
) -> None:  # fmt: skip
    assume(1.0 - (1.0 - soc) / capacity > 0.015)  # the weakest cell is not below empty
    limits = pack.battery.limits
    if name == "lfp-prada2013":
        limits = type(limits)(
            cell_voltage_min_v=2.5,
            cell_voltage_max_v=3.65,
            discharge_current_a=400.0,
            charge_current_a=200.0,
        )
    battery = type(pack.battery)(
        level="pack", series=96, parallel=2, chemistry="x", reference_capacity_ah=120.0,
        limits=limits,
    )  # fmt: skip
    weak = Weakest(capacity, resistance, -0.01, 0.05)
    tried = replace(pack, battery=battery, cell=name, weakest=weak)
    state = State(soc, 0.001, -0.004, degc, -12.0, 0.001, -0.003, -0.002)
    steps, power = np.full(25, step_s), wild(seed, 25)
    steps[0] = 0.0
    got = run(tried, state, steps, power, degc)
    plain = reference.run(
        steps, power, degc, True, tried.parameters(), tried.tables(), state.vector()
    )
    for row, tolerance in NEAR.items():
        np.testing.assert_allclose(got[row], plain[row], rtol=0.0, atol=tolerance)


@KEEP
@given(
    name=st.sampled_from(CELLS[:2]),
    soc=st.floats(0.0, 1.0),
    degc=st.floats(-30.0, 60.0),
    capacity=st.floats(0.7, 1.0),
    step_s=st.sampled_from([1.0, 2.0, 10.0]),
    seed=st.integers(0, 999),
    kw=st.floats(10.0, 400.0),
)
def test_no_limit_is_passed(
    pack: Pack, name: str, soc: float, degc: float, capacity: float, step_s: float, seed: int,
    kw: float,
) -> None:  # fmt: skip
    tried = replace(pack, cell=name, weakest=Weakest(capacity, 1.2))
    power = wild(seed, 400, -1000.0 * kw, 1000.0 * kw)
    power = power if seed % 3 else np.full(400, power[0])
    out = run(tried, State(soc, temperature_degc=degc), np.full(400, step_s), power, degc)
    limits, current = pack.battery.limits, out[CURRENT_A]
    assert np.isfinite(out).all()
    taking, giving = current > 0.0, current < 0.0
    assert current.max() <= limits.charge_current_a + LIMIT_A
    assert current.min() >= -limits.discharge_current_a - LIMIT_A
    assert np.all(out[HIGHEST_V][taking] <= limits.cell_voltage_max_v + LIMIT_V)
    assert np.all(out[LOWEST_V][giving] >= limits.cell_voltage_min_v - LIMIT_V)
    weak = 1.0 - (1.0 - out[SOC]) / capacity
    assert np.minimum(out[SOC], weak)[giving].min(initial=1.0) >= limits.soc_min - 1e-9
    assert np.maximum(out[SOC], weak)[taking].max(initial=0.0) <= limits.soc_max + 1e-9
    before = np.concatenate([[degc], out[TEMPERATURE_DEGC][:-1]])
    outside = (before <= limits.temperature_min_degc) | (before >= limits.temperature_max_degc)
    assert not current[outside].any()
    assert not (taking & (before <= -20.0)).any()


@KEEP
@given(soc=st.floats(0.3, 0.9), degc=st.floats(-5.0, 40.0), kw=st.floats(-60.0, 60.0))
def test_power_asked_is_power_given_within_limits(
    pack: Pack, soc: float, degc: float, kw: float
) -> None:
    still = replace(pack, climate=Climate(heater_w=0.0, cooler_w=0.0), weakest=Weakest(0.9, 2.0))
    power = np.full(20, 1000.0 * kw)
    out = run(still, State(soc, temperature_degc=degc), np.ones(20), power, degc)
    share = (degc + 20.0) / 30.0
    if kw < 0.0 or out[CURRENT_A].max() < min(share, 1.0) * 200.0 - 1.0:
        inside = (out[LOWEST_V] > 2.801) & (out[HIGHEST_V] < 4.199)
        given_w = out[CURRENT_A] * out[VOLTAGE_V]
        np.testing.assert_allclose(given_w[inside], power[inside], rtol=3e-4, atol=0.5)


@KEEP
@given(
    name=st.sampled_from(CELLS), degc=st.floats(0.0, 35.0), kw=st.floats(-50.0, 25.0),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_energy_in_is_energy_stored_and_heat(
    pack: Pack, name: str, degc: float, kw: float, seed: int
) -> None:
    """Exactly, step by step: terminals = equilibrium voltage's power + irreversible heat."""
    calm = replace(pack, cell=name, climate=Climate(heater_w=0.0, cooler_w=0.0), weakest=Weakest())
    power = np.clip(1000.0 * kw + wild(seed, 300, -10e3, 10e3), -55e3, 30e3)
    out = run(calm, State(0.6, temperature_degc=degc), np.ones(300), power, degc)
    tables, at = calm.tables()[: cell.GRID], np.linspace(0.0, 1.0, cell.GRID)
    before = np.concatenate([[degc], out[TEMPERATURE_DEGC][:-1]])
    slope = np.interp(out[SOC], at, tables[:, 1])
    open_v = 96.0 * (np.interp(out[SOC], at, tables[:, 0]) + (before - 25.0) * slope)
    lost_w = out[CURRENT_A] * (out[VOLTAGE_V] - open_v)
    turned_w = 96.0 * out[CURRENT_A] * slope * (before + 273.15)
    heat_j = float(np.sum(lost_w + turned_w))
    p = calm.parameters()
    kept_j = p[circuit.HEAT_J_PER_K] * (out[TEMPERATURE_DEGC][-1] - degc)
    gone_j = p[circuit.PASSIVE_W_PER_K] * float(np.sum(before - degc))
    assert kept_j + gone_j == pytest.approx(heat_j, rel=2e-3, abs=200.0)


@KEEP
@given(
    soc=st.floats(0.2, 0.9), kw=st.floats(-60, 40), soh=st.floats(0.5, 1.05),
    step_s=st.floats(0.1, 30.0),
)  # fmt: skip
def test_charge_over_soc_change_is_the_capacity(
    pack: Pack, soc: float, kw: float, soh: float, step_s: float
) -> None:
    aged, steps = replace(pack, soh=soh), np.full(100, step_s)
    steps[0] = 0.0
    out = run(aged, State(soc), steps, np.full(100, kw * 1000.0))
    charge_ah = float(np.trapezoid(out[CURRENT_A], np.cumsum(steps))) / 3600.0
    moved = out[SOC][-1] - out[SOC][0]
    assert charge_ah == pytest.approx(moved * aged.capacity_ah, abs=1e-9)


@pytest.mark.parametrize("name", CELLS[:2])
@pytest.mark.parametrize("degc", [-10.0, 25.0, 42.0])
def test_the_length_of_the_steps_hardly_matters(pack: Pack, name: str, degc: float) -> None:
    """Ten minutes at one power in steps of 1, 10 and 60 s end alike, climate and all."""
    ends = []
    for step_s in (1.0, 10.0, 60.0):
        steps = np.full(int(600 / step_s) + 1, step_s)
        steps[0] = 0.0
        state, power = State(0.7, temperature_degc=degc), np.full(steps.size, -25e3)
        out = run(replace(pack, cell=name), state, steps, power, degc)
        ends.append(out[:, -1])
    for end, volts, kelvin in zip(ends[1:], (2e-3, 0.01), (0.05, 0.3), strict=True):
        assert end[SOC] == pytest.approx(ends[0][SOC], abs=3e-4)
        assert end[VOLTAGE_V] / 96 == pytest.approx(ends[0][VOLTAGE_V] / 96, abs=volts)
        assert end[TEMPERATURE_DEGC] == pytest.approx(ends[0][TEMPERATURE_DEGC], abs=kelvin)


def test_a_night_in_one_step_is_a_night_in_minutes(pack: Pack) -> None:
    leaking = replace(pack, weakest=Weakest(0.98, 1.0, 0.0, 0.3))
    warm = State(0.6, 0.01, 0.02, 30.0, 0.0, 0.01, 0.02)
    night = 8 * 3600.0
    one = leaking.park(warm, night, 0.0)
    many = warm
    for _ in range(480):
        many = leaking.park(many, 60.0, 0.0)
    assert one.soc == many.soc == 0.6
    assert one.temperature_degc == pytest.approx(many.temperature_degc, abs=1e-6)
    assert one.x2_v == pytest.approx(many.x2_v, abs=1e-9)
    assert one.weak_drift == pytest.approx(many.weak_drift, rel=1e-9)
    lost_ah = -one.weak_drift * leaking.capacity_ah * 0.98
    assert lost_ah == pytest.approx(0.3 * 8.0, rel=1e-9)


def test_a_leak_ends_with_an_empty_cell(pack: Pack) -> None:
    leaking = replace(pack, weakest=Weakest(1.0, 1.0, 0.0, 5.0))
    state = leaking.park(State(0.4), 30 * 86_400.0, 20.0)
    out = run(leaking, state, np.ones(5), np.full(5, -20e3))
    assert state.weak_drift == pytest.approx(-0.4)
    assert not out[CURRENT_A].any()
    assert out[LOWEST_V][0] == pytest.approx(2.8, abs=0.01)
