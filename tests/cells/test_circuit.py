"""The circuit: run is step after step, pulses are closed form, packs are scaled cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.cells.chemistry import chemistry
from evitals.cells.circuit import Circuit, CircuitState

CELL = Circuit(chemistry("NMC"), 1, 1, 3.0)
CURRENT = st.floats(-12.0, 6.0)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    samples=st.integers(1, 60),
    start=st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)),
)
def test_run_equals_step_after_step(seed: int, samples: int, start: tuple[float, float]) -> None:
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.exponential(3.0, samples))
    current, mean = rng.uniform(-9, 5, samples), rng.uniform(-9, 5, samples)
    soc, heat = rng.uniform(0.1, 0.9, samples), rng.uniform(-20, 40, samples)
    for means in (None, mean):
        whole = CELL.run(time, current, soc, heat, CircuitState(*start), means)
        state, voltages, last = CircuitState(*start), [], time[0]
        for k in range(samples):
            extra = None if means is None else float(means[k])
            state, voltage = CELL.step(state, current[k], time[k] - last, soc[k], heat[k], extra)
            voltages.append(voltage)
            last = time[k]
        np.testing.assert_allclose(whole, voltages, rtol=0, atol=1e-12)


@settings(deadline=None)
@given(current=CURRENT, horizon=st.floats(0.1, 120.0), split=st.floats(0.1, 0.9))
def test_a_held_current_may_be_cut_anywhere(current: float, horizon: float, split: float) -> None:
    """The update is exact in time: two uneven steps equal one."""
    whole, _ = CELL.step(CircuitState(0.05, -0.02), current, horizon, 0.5, 20.0)
    half, _ = CELL.step(CircuitState(0.05, -0.02), current, split * horizon, 0.5, 20.0)
    both, _ = CELL.step(half, current, (1 - split) * horizon, 0.5, 20.0)
    np.testing.assert_allclose(both, whole, atol=1e-12)


@settings(deadline=None)
@given(
    current=CURRENT,
    horizon=st.floats(0.5, 60.0),
    soc=st.floats(0.2, 0.9),
    state=st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)),
)
def test_pulse_voltage_is_the_step_with_the_ocv_moved(
    current: float, horizon: float, soc: float, state: tuple[float, float]
) -> None:
    pulse = CELL.pulse_voltage(current, horizon, soc, 10.0, CircuitState(*state))
    _, voltage = CELL.step(CircuitState(*state), current, horizon, soc, 10.0)
    end = soc + current * horizon / 3600.0 / CELL.capacity_ah
    moved = float(CELL.chemistry.ocv(end) - CELL.chemistry.ocv(soc))
    assert pulse == pytest.approx(voltage + moved, abs=1e-9)


@settings(deadline=None)
@given(low=CURRENT, high=CURRENT, horizon=st.floats(0.5, 60.0), soc=st.floats(0.0, 1.0))
def test_more_current_never_means_less_voltage(
    low: float, high: float, horizon: float, soc: float
) -> None:
    low, high = sorted((low, high))
    below = CELL.pulse_voltage(low, horizon, soc, 0.0)
    assert below <= CELL.pulse_voltage(high, horizon, soc, 0.0) + 1e-9


@settings(deadline=None)
@given(series=st.integers(1, 200), parallel=st.integers(1, 80), current=CURRENT)
def test_a_pack_is_its_cell_scaled(series: int, parallel: int, current: float) -> None:
    pack = Circuit(chemistry("NMC"), series, parallel, 3.0 * parallel)
    _, cell_voltage = CELL.step(CircuitState(), current, 7.0, 0.4, 5.0)
    _, pack_voltage = pack.step(CircuitState(), current * parallel, 7.0, 0.4, 5.0)
    assert pack_voltage == pytest.approx(series * cell_voltage, rel=1e-12)
    ratio = pack.resistance_ohm(0.4, 5.0, 7.0) / CELL.resistance_ohm(0.4, 5.0, 7.0)
    assert ratio == pytest.approx(series / parallel, rel=1e-12)


def test_rest_relaxes_to_the_ocv_and_growth_scales_resistance() -> None:
    state, _ = CELL.step(CircuitState(), -6.0, 60.0, 0.5, 0.0)
    assert state.v1 < -0.05
    assert state.v2 < 0.0
    _, rested = CELL.step(state, 0.0, 1e5, 0.5, 0.0)
    assert rested == pytest.approx(float(CELL.chemistry.ocv(0.5)), abs=1e-9)
    grown = Circuit(chemistry("NMC"), 1, 1, 2.4, resistance_growth=1.5, design_capacity_ah=3.0)
    ratio = grown.resistance_ohm(0.5, 25.0, 10.0) / CELL.resistance_ohm(0.5, 25.0, 10.0)
    assert ratio == pytest.approx(1.5)


def test_an_empty_run_is_empty_and_missing_stays_missing() -> None:
    assert CELL.run([], [], [], []).shape == (0,)
    voltage = CELL.run([0.0, 1.0], [-1.0, -1.0], [0.5, np.nan], 25.0)
    assert np.isfinite(voltage[0])
    assert np.isnan(voltage[1])
