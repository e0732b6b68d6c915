"""State of power: within every limit, monotone where physics is, and said when it is unknown."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.battery import Battery, Limits, describe
from evitals.cells.chemistry import chemistry
from evitals.cells.circuit import Circuit, CircuitState
from evitals.errors import InputError, UnsupportedChemistry
from evitals.estimators.answer import PowerLimit
from evitals.estimators.power import Margin, range_reasons, reference_sop, sop
from tests.estimators.voltage.made_up import circuit as made_up_circuit

I3 = describe("bmw-i3-60ah").battery
WIDE = Limits(
    cell_voltage_min_v=2.5,
    cell_voltage_max_v=4.25,
    discharge_current_a=1e6,
    charge_current_a=1e6,
)
CELL = Battery(level="cell", chemistry="NMC", reference_capacity_ah=3.0, limits=WIDE)
RELATIVE = 1.0 + 1e-9


@dataclass(frozen=True)
class Point:
    """Where power is asked for."""

    soc: float
    temperature_degc: float
    resistance_growth: float
    rc_state: CircuitState

    def asked(self, battery: Battery = CELL, **changes: Any) -> tuple[PowerLimit, ...]:
        given: dict[str, Any] = {
            "soc": self.soc,
            "temperature_degc": self.temperature_degc,
            "resistance_growth": self.resistance_growth,
            "rc_state": self.rc_state,
        }
        return sop(battery, **(given | changes))


POINTS = st.builds(
    Point,
    soc=st.floats(0.0, 1.0),
    temperature_degc=st.floats(-20.0, 45.0),
    resistance_growth=st.floats(0.3, 4.0),
    rc_state=st.builds(CircuitState, v1=st.floats(-0.15, 0.15), v2=st.floats(-0.1, 0.1)),
)


def limits(**changes: Any) -> Battery:
    return msgspec.structs.replace(CELL, limits=msgspec.structs.replace(WIDE, **changes))


@settings(deadline=None)
@given(point=POINTS)
def test_a_longer_horizon_never_has_more_power(point: Point) -> None:
    found = point.asked(horizons=(1.0, 2.0, 5.0, 10.0, 30.0, 90.0))
    for direction in ("discharge", "charge"):
        powers = [limit.power_w for limit in found if limit.direction == direction]
        assert len(powers) == 6
        assert all(b <= a * RELATIVE for a, b in pairwise(powers))


@settings(deadline=None)
@given(point=POINTS, factor=st.floats(1.0, 3.0))
def test_more_resistance_never_has_more_power(point: Point, factor: float) -> None:
    worse = point.asked(resistance_growth=factor * point.resistance_growth)
    for a, b in zip(point.asked(), worse, strict=True):
        # A charge that current or SoC limits takes more power where more is lost as heat.
        if b.direction == "charge" and b.limit != "voltage":
            continue
        assert b.power_w <= a.power_w * RELATIVE


@settings(deadline=None)
@given(point=POINTS, share=st.floats(0.5, 1.0))
def test_less_capacity_never_has_more_power(point: Point, share: float) -> None:
    # From rest: while branches relax, a faster rising OCV may lift the pulse's smallest voltage.
    rested = replace(point, rc_state=CircuitState())
    for a, b in zip(rested.asked(), rested.asked(capacity_ah=3.0 * share), strict=True):
        assert b.power_w <= a.power_w * RELATIVE


@settings(deadline=None)
@given(point=POINTS, soc=st.floats(0.0, 1.0))
def test_more_charge_left_gives_more_where_resistance_is_the_same(point: Point, soc: float) -> None:
    low, high = sorted((point.soc, soc))
    # Above 30 % SoC at 25 degC the tables' resistance hardly changes with SoC; OCV decides.
    low, high = 0.3 + 0.5 * low, 0.3 + 0.5 * high
    a = point.asked(soc=low, temperature_degc=25.0)
    b = point.asked(soc=high, temperature_degc=25.0)
    assert a[1].power_w <= 1.08 * b[1].power_w
    assert b[4].power_w <= 1.08 * a[4].power_w


@settings(max_examples=60, deadline=None)
@given(point=POINTS, horizon=st.sampled_from([2.0, 10.0, 30.0]), tight=st.booleans())
def test_where_voltage_binds_the_pulse_just_touches_it(
    point: Point, horizon: float, tight: bool
) -> None:
    battery = limits(cell_voltage_min_v=3.0, cell_voltage_max_v=4.15) if tight else CELL
    circuit = Circuit(chemistry("NMC"), 1, 1, 3.0, point.resistance_growth)
    for limit in point.asked(battery, horizons=(horizon,)):
        if limit.limit != "voltage" or limit.power_w == 0.0:
            continue
        sign = -1.0 if limit.direction == "discharge" else 1.0
        allowed = battery.limits
        bound = allowed.cell_voltage_min_v if sign < 0 else allowed.cell_voltage_max_v
        ends = [
            circuit.pulse_voltage(
                sign * solve_current(circuit, point, limit, horizon),
                t,
                point.soc,
                point.temperature_degc,
                point.rc_state,
            )
            for t in (0.0, horizon)
        ]
        touched = min(ends) if sign < 0 else max(ends)
        assert touched == pytest.approx(bound, abs=1e-6)


def solve_current(circuit: Circuit, point: Point, limit: PowerLimit, horizon: float) -> float:
    """The current whose smallest power over the pulse is the limit's, by bisection."""
    sign = -1.0 if limit.direction == "discharge" else 1.0

    def power(current: float) -> float:
        voltages = [
            circuit.pulse_voltage(
                sign * current, t, point.soc, point.temperature_degc, point.rc_state
            )
            for t in (0.0, horizon)
        ]
        return current * min(voltages)

    low, high = 0.0, limit.power_w / (1.0 if sign < 0 else 2.0)
    for _ in range(45):
        middle = (low + high) / 2.0
        low, high = (middle, high) if power(middle) < limit.power_w else (low, middle)
    return low


@pytest.mark.parametrize(
    ("changes", "soc", "temperature", "direction", "limit", "power_w"),
    [
        ({"discharge_current_a": 6.0}, 0.5, 25.0, "discharge", "current", None),
        ({"charge_current_a": 3.0}, 0.5, 25.0, "charge", "current", None),
        ({"soc_min": 0.499}, 0.5, 25.0, "discharge", "soc", None),
        ({"soc_min": 0.5}, 0.5, 25.0, "discharge", "soc", 0.0),
        ({"soc_max": 0.5}, 0.6, 25.0, "charge", "soc", 0.0),
        ({"temperature_max_degc": 40.0}, 0.5, 41.0, "discharge", "temperature", 0.0),
        ({"temperature_min_degc": 0.0}, 0.5, -1.0, "charge", "temperature", 0.0),
        ({"cell_voltage_min_v": 3.9}, 0.5, 25.0, "discharge", "voltage", 0.0),
        ({"cell_voltage_max_v": 3.5}, 0.5, 25.0, "charge", "voltage", 0.0),
        ({}, 0.5, 0.0, "discharge", "voltage", None),
    ],
)
def test_the_binding_limit_is_named(
    changes: dict[str, float],
    soc: float,
    temperature: float,
    direction: str,
    limit: str,
    power_w: float | None,
) -> None:
    found = sop(limits(**changes), soc=soc, temperature_degc=temperature, horizons=(10.0,))
    answer = next(one for one in found if one.direction == direction)
    assert answer.limit == limit
    if power_w is None:
        assert answer.power_w > 0.0
    else:
        assert answer.power_w == power_w


def test_current_and_soc_limits_give_the_power_they_say() -> None:
    circuit = Circuit(chemistry("NMC"), 1, 1, 3.0)
    battery = limits(discharge_current_a=6.0, charge_current_a=3.0)
    down, up = sop(battery, soc=0.5, temperature_degc=25.0, horizons=(10.0,))
    # Constant current; the power is the pulse's smallest: its end, or its beginning on charge.
    assert down.power_w == pytest.approx(6.0 * circuit.pulse_voltage(-6.0, 10.0, 0.5, 25.0))
    assert up.power_w == pytest.approx(3.0 * circuit.pulse_voltage(3.0, 0.0, 0.5, 25.0))
    near = limits(soc_min=0.495)
    (left,) = sop(near, soc=0.5, temperature_degc=25.0, horizons=(10.0,))[:1]
    current = 0.005 * 3600.0 * 3.0 / 10.0
    assert left.power_w == pytest.approx(current * circuit.pulse_voltage(-current, 10.0, 0.5, 25.0))


def test_a_pack_is_its_cells_and_the_rated_power_clips() -> None:
    pack = msgspec.structs.replace(
        CELL, level="pack", series=96, parallel=2, reference_capacity_ah=6.0
    )
    for one, many in zip(
        sop(CELL, soc=0.4, temperature_degc=5.0),
        sop(pack, soc=0.4, temperature_degc=5.0),
        strict=True,
    ):
        assert many.power_w == pytest.approx(192 * one.power_w, rel=1e-9)
        assert many.limit == one.limit
    rated = msgspec.structs.replace(pack, rated_power_w=1000.0)
    answers = sop(rated, soc=0.4, temperature_degc=5.0)
    assert {(one.power_w, one.limit) for one in answers} == {(1000.0, "rated")}


def test_answers_come_in_the_order_asked_for() -> None:
    found = sop(CELL, soc=0.5, temperature_degc=25.0, horizons=(30.0, 2.0, 30.0))
    assert [one.horizon_s for one in found] == [30.0, 2.0, 30.0] * 2
    assert [one.direction for one in found] == ["discharge"] * 3 + ["charge"] * 3
    assert found[0] == found[2]
    assert found[0].power_w < found[1].power_w


def test_a_measured_rest_voltage_moves_the_ocv() -> None:
    higher = sop(CELL, soc=0.5, temperature_degc=25.0, ocv_offset_v=0.1)
    plain = sop(CELL, soc=0.5, temperature_degc=25.0)
    assert higher[1].power_w > 1.05 * plain[1].power_w
    assert higher[4].power_w < plain[4].power_w


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("soc", 50.0),
        ("soc", math.nan),
        ("temperature_degc", math.inf),
        ("capacity_ah", 0.0),
        ("resistance_growth", -1.0),
        ("horizons", (0.0,)),
        ("horizons", (math.nan,)),
        ("ocv_offset_v", 3.6),
    ],
)
def test_impossible_values_are_named(field: str, value: float | tuple[float, ...]) -> None:
    given: dict[str, Any] = {"soc": 0.5, "temperature_degc": 25.0}
    with pytest.raises(InputError) as caught:
        sop(CELL, **(given | {field: value}))
    assert caught.value.field == field


def test_another_chemistry_has_no_power() -> None:
    other = msgspec.structs.replace(CELL, chemistry="LFP")
    with pytest.raises(UnsupportedChemistry):
        sop(other, soc=0.5, temperature_degc=25.0)
    with pytest.raises(UnsupportedChemistry):
        range_reasons(other, soc=0.5, temperature_degc=25.0)
    answer = reference_sop(other)
    assert (answer.value, answer.validity) == (None, "unknown")
    assert answer.reasons == ("unsupported_chemistry",)


def test_reference_sop_is_the_ten_second_discharge_at_half_charge() -> None:
    answer = reference_sop(CELL, resistance_growth=1.2, growth_interval=(1.1, 1.3))
    (expected,) = sop(
        CELL, soc=0.5, temperature_degc=25.0, resistance_growth=1.2, horizons=(10.0,)
    )[:1]
    assert answer.value == pytest.approx(expected.power_w)
    assert answer.validity == "valid"
    assert answer.source == "circuit"
    assert answer.low is not None
    assert answer.high is not None
    assert answer.value is not None
    assert 0.0 < answer.low < answer.value < answer.high
    # Each bound reaches at least as far as the resistance alone.
    weak = sop(CELL, soc=0.5, temperature_degc=25.0, resistance_growth=1.3, horizons=(10.0,))
    assert answer.low <= weak[0].power_w


def test_reference_sop_without_a_measured_resistance_is_doubtful_and_wide() -> None:
    bare = reference_sop(CELL)
    measured = reference_sop(CELL, growth_interval=(0.95, 1.05))
    assert bare.validity == "doubtful"
    assert bare.reasons == ("resistance_not_measured",)
    assert bare.low is not None
    assert measured.low is not None
    assert bare.low < measured.low
    clipped = reference_sop(I3)
    assert clipped.value == I3.rated_power_w
    with pytest.raises(InputError, match="growth_interval"):
        reference_sop(CELL, resistance_growth=2.0, growth_interval=(0.9, 1.1))


@settings(deadline=None)
@given(growth=st.floats(0.5, 4.0), factor=st.floats(1.0, 2.0))
def test_reference_sop_falls_with_resistance(growth: float, factor: float) -> None:
    grown = growth * factor
    a = reference_sop(CELL, resistance_growth=growth, growth_interval=(growth, growth))
    b = reference_sop(CELL, resistance_growth=grown, growth_interval=(grown, grown))
    assert a.value is not None
    assert b.value is not None
    assert b.value <= a.value * RELATIVE


IDENTIFIED = made_up_circuit()
LIMITED = msgspec.structs.replace(
    CELL,
    limits=Limits(
        cell_voltage_min_v=2.8,
        cell_voltage_max_v=4.15,
        discharge_current_a=1e3,
        charge_current_a=1e3,
    ),
)


def pulse_voltage(
    current: float, t: float, soc: float, degc: float, flows: tuple[float, ...]
) -> float:
    """The identified circuit's voltage ``t`` seconds into a pulse, from its equation."""
    at = IDENTIFIED.at(soc, degc)
    left = np.exp(-t / IDENTIFIED.tau_s)
    branch = float(at.branch_ohm @ (left * np.array(flows) + (1.0 - left) * current))
    kinetic = at.kinetic_v * math.asinh(current / at.kinetic_a)
    ocv = float(IDENTIFIED.ocv(soc + current * t / 3600.0 / 3.0, degc))
    return ocv + at.r0_ohm * current + kinetic + branch


@settings(max_examples=60, deadline=None)
@given(
    soc=st.floats(0.05, 0.95),
    degc=st.floats(-20.0, 40.0),
    flow=st.floats(-3.0, 1.0),
    horizon=st.sampled_from([2.0, 10.0, 30.0]),
)
def test_an_identified_circuit_just_touches_the_voltage_that_binds(
    soc: float, degc: float, flow: float, horizon: float
) -> None:
    flows = (flow,) * 4
    for limit in sop(
        LIMITED,
        soc=soc,
        temperature_degc=degc,
        horizons=(horizon,),
        circuit=IDENTIFIED,
        flows_a=flows,
    ):
        if limit.limit != "voltage" or limit.power_w == 0.0:
            continue
        sign = -1.0 if limit.direction == "discharge" else 1.0

        def ends(current: float, sign: float = sign) -> list[float]:
            return [pulse_voltage(sign * current, t, soc, degc, flows) for t in (0.0, horizon)]

        low, high = 0.0, 1e4
        for _ in range(80):
            middle = (low + high) / 2.0
            past = min(ends(middle)) < _bound(soc, degc) if sign < 0 else max(ends(middle)) > 4.15
            low, high = (low, middle) if past else (middle, high)
        assert limit.power_w == pytest.approx(low * min(ends(low)), rel=1e-6)


def _bound(soc: float, degc: float) -> float:
    """The lowest voltage allowed; beyond half the open-circuit voltage more is less."""
    return max(2.8, 0.5 * float(IDENTIFIED.ocv(soc, degc)))


def test_a_margin_gives_a_bound_below_and_none_without() -> None:
    margin = Margin(temperature_degc=(-10.0, 30.0), share=(0.2, 0.05))
    plain = sop(LIMITED, soc=0.5, temperature_degc=-10.0, circuit=IDENTIFIED)
    bounded = sop(LIMITED, soc=0.5, temperature_degc=-10.0, circuit=IDENTIFIED, margin=margin)
    worse = sop(LIMITED, soc=0.5, temperature_degc=-10.0, circuit=IDENTIFIED, resistance_growth=1.2)
    for a, b, c in zip(plain, bounded, worse, strict=True):
        assert a.low_w is None
        assert b.power_w == a.power_w
        assert b.low_w == pytest.approx(c.power_w)
        assert b.low_w is not None
        assert b.low_w < b.power_w
    assert b"low_w" not in msgspec.json.encode(plain[0])


def test_a_circuits_state_and_the_tables_state_do_not_mix() -> None:
    point: dict[str, Any] = {"soc": 0.5, "temperature_degc": 20.0}
    with pytest.raises(InputError, match="rc_state"):
        sop(CELL, **point, circuit=IDENTIFIED, rc_state=CircuitState())
    with pytest.raises(InputError, match="flows_a"):
        sop(CELL, **point, flows_a=(0.0,) * 4)
    with pytest.raises(InputError, match="flows_a"):
        sop(CELL, **point, circuit=IDENTIFIED, flows_a=(0.0, 1.0))
    with pytest.raises(InputError, match="flows_a"):
        sop(CELL, **point, circuit=IDENTIFIED, flows_a=(0.0, 1.0, math.nan, 0.0))


def test_range_reasons_flag_points_outside_the_tables() -> None:
    assert range_reasons(I3, soc=0.5, temperature_degc=20.0) == ()
    assert range_reasons(I3, soc=0.2, temperature_degc=-20.0) == ("soc_outside_tables",)


@pytest.mark.data
def test_measured_pulses_give_what_was_predicted(public_data: Path) -> None:
    """LG HPPC, >= 11 A, SoC > 10 %: pulses that the fit never saw."""
    import importlib.util

    file = Path(__file__).parents[2] / "benchmarks" / "circuit_fit.py"
    spec = importlib.util.spec_from_file_location("circuit_fit", file)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["circuit_fit"] = benchmark
    spec.loader.exec_module(benchmark)
    scores = benchmark.judge_pulses(public_data)
    assert scores["all"]["pulses"] == 84
    assert scores["all"]["mape_percent"] < 5.5
    assert scores["25C_549_HPPC"]["mape_percent"] < 4.0
    assert np.isfinite(scores["-10C_593_HPPC"]["bias_percent"])
