"""The pack: kernel against reference, conservation of charge and energy, limits."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from evitals.errors import InputError
from evitals.twin import cell, circuit
from evitals.twin.pack import Climate, Pack, State, Weakest


def steps(n: int, step_s: float = 1.0) -> np.ndarray:
    step = np.full(n, step_s)
    step[0] = 0.0
    return step


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


def test_the_weakest_cell_ends_the_discharge_and_shows_the_lowest_voltage(pack: Pack) -> None:
    def out_of(factor: float) -> tuple[float, float]:
        tried = replace(pack, weakest=Weakest(capacity_factor=factor))
        trace = tried.run(State(1.0), steps(20_000), np.full(20_000, -30e3))
        gap = trace.highest_v - trace.lowest_v
        return float(1.0 - trace.soc[-1]), float(gap[5000])

    sound, weak = out_of(1.0), out_of(0.8)
    assert weak[0] == pytest.approx(0.8 * sound[0], abs=0.02)
    assert sound[1] == 0.0
    assert weak[1] > 0.02


def test_a_resistive_cell_sags_below_the_others(pack: Pack) -> None:
    tried = replace(pack, weakest=Weakest(resistance_factor=3.0))
    trace = tried.run(State(0.6), steps(30), np.full(30, -40e3))
    plain = replace(pack, weakest=Weakest()).run(State(0.6), steps(30), np.full(30, -40e3))
    sag = float(cell.ocv(pack.cell, plain.soc[-1]) - plain.lowest_v[-1])
    assert float(trace.highest_v[-1] - trace.lowest_v[-1]) == pytest.approx(2.0 * sag, rel=0.3)
    assert trace.voltage_v[-1] == pytest.approx(
        95 * trace.highest_v[-1] + trace.lowest_v[-1], rel=1e-9
    )


def test_the_expected_weakest_of_many_is_worse_than_of_few() -> None:
    few, many = Weakest.expected(12, 2), Weakest.expected(96, 2)
    assert Weakest.expected(1, 1) == Weakest()
    assert 0.97 < many.capacity_factor < few.capacity_factor < 1.0
    assert 1.0 < few.resistance_factor < many.resistance_factor < 1.05
    assert Weakest.expected(96, 40).capacity_factor > many.capacity_factor


def test_the_heater_warms_only_while_awake_and_its_energy_is_the_packs(pack: Pack) -> None:
    cold, none = State(0.7, temperature_degc=-10.0), np.zeros(1200)
    asleep = pack.run(cold, steps(1200), none, -10.0, awake=False)
    awake = pack.run(cold, steps(1200), none, -10.0)
    assert not asleep.current_a.any()
    assert asleep.state.temperature_degc == pytest.approx(-10.0)
    heater_w = pack.climate.heater_w
    np.testing.assert_allclose(awake.current_a * awake.voltage_v, -heater_w, rtol=1e-3)
    p, warmed = pack.parameters(), awake.temperature_degc + 10.0
    kept_j = p[circuit.HEAT_J_PER_K] * warmed[-1]
    kept_j += p[circuit.PASSIVE_W_PER_K] * float(np.sum(warmed))
    assert kept_j == pytest.approx(1200.0 * heater_w, rel=0.02)


def test_charging_heats_a_cold_pack_from_the_charger(pack: Pack) -> None:
    cold = State(0.3, temperature_degc=-25.0)
    trace = pack.run(cold, steps(3600), np.full(3600, 7e3), -25.0, awake=False)
    assert trace.current_a[0] == 0.0
    assert trace.temperature_degc[-1] > -8.0
    assert trace.current_a[-1] * trace.voltage_v[-1] == pytest.approx(5e3, rel=1e-3)


def test_a_failed_cooler_lets_the_pack_grow_hot(pack: Pack) -> None:
    hot, power = State(0.9, temperature_degc=38.0), np.full(1800, -20e3)
    ends = [
        replace(pack, cooling=cooling).run(hot, steps(1800), power, 38.0).state.temperature_degc
        for cooling in (1.0, 0.3, 0.0)
    ]
    assert ends[0] + 0.5 < ends[1] < ends[2] - 1.0
    assert ends[2] > 38.0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"capacity_factor": 0.0}, "capacity_factor"),
        ({"resistance_factor": -1.0}, "resistance_factor"),
        ({"leak_a": -0.1}, "leak_a"),
        ({"soc_offset": 2.0}, "soc_offset"),
    ],
)
def test_an_impossible_weakest_cell_is_refused(changes: dict[str, float], field: str) -> None:
    with pytest.raises(InputError, match=field):
        Weakest(**changes)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"heater_w": -1.0}, "heater_w"),
        ({"cooler_cop": 0.0}, "cooler_cop"),
        ({"heat_below_degc": 50.0}, "heat_below_degc"),
    ],
)
def test_an_impossible_climate_is_refused(changes: dict[str, float], field: str) -> None:
    with pytest.raises(InputError, match=field):
        Climate(**changes)


@pytest.mark.parametrize("field", ["series", "parallel"])
def test_a_pack_without_cells_is_refused(pack: Pack, field: str) -> None:
    empty = structs.replace(pack.battery, **{field: 0})
    with pytest.raises(InputError, match=f"{field}.*without cells"):
        replace(pack, battery=empty)


def test_an_unknown_cell_and_a_bad_cooler_are_refused(pack: Pack) -> None:
    with pytest.raises(InputError, match="nmc811-lgm50"):
        replace(pack, cell="nmc811-lg50")
    with pytest.raises(InputError, match="cooling"):
        replace(pack, cooling=1.5)


def test_broken_samples_are_refused(pack: Pack) -> None:
    with pytest.raises(InputError, match="power_w"):
        pack.run(State(0.5), steps(3), np.zeros(2))
    with pytest.raises(InputError, match="finite"):
        pack.run(State(0.5), steps(2), np.array([1.0, np.nan]))
    with pytest.raises(InputError, match="back in time"):
        pack.run(State(0.5), np.array([0.0, -1.0]), np.zeros(2))


def test_a_state_survives_its_vector() -> None:
    state = State(0.4, 0.1, 0.2, -3.0, 12.0, 0.3, 0.4, -0.05)
    assert State.of(state.vector()) == state
    assert state.vector().size == circuit.STATES
