"""Ageing is exact in time, monotone, and faster when hot or used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evitals.twin.ageing import CALENDAR_PER_SQRT_YEAR, CYCLE_PER_EFC, YEAR_S, Age, Ageing


def test_the_stated_losses_at_the_reference() -> None:
    age = Ageing().after(Age(), 4 * YEAR_S, 25.0, 0.6, 500.0)
    assert age.calendar == pytest.approx(2 * CALENDAR_PER_SQRT_YEAR)
    assert age.cycle == pytest.approx(500 * CYCLE_PER_EFC)
    assert Ageing().soh(age) == pytest.approx(1 - age.calendar - age.cycle)


@given(st.integers(1, 60), st.floats(0.1, 12), st.floats(-10, 40), st.floats(0, 3000))
def test_many_short_steps_equal_one_long_step(
    parts: int, years: float, degc: float, efc: float
) -> None:
    ageing, whole = Ageing(pace=1.3), Age(0.02, 0.01, 100.0)
    stepped = whole
    for _ in range(parts):
        stepped = ageing.after(stepped, years * YEAR_S / parts, degc, 0.7, efc / parts)
    once = ageing.after(whole, years * YEAR_S, degc, 0.7, efc)
    assert ageing.soh(stepped) == pytest.approx(ageing.soh(once), abs=1e-9)
    assert ageing.growth(stepped) >= ageing.growth(whole) > 1.0


@given(st.floats(-10, 35), st.floats(0.1, 0.8))
def test_heat_and_a_full_battery_age_faster(degc: float, soc: float) -> None:
    def loss(degc: float, soc: float) -> float:
        return 1.0 - Ageing().soh(Ageing().after(Age(), YEAR_S, degc, soc, 100.0))

    assert loss(degc + 5.0, soc) > loss(degc, soc)
    assert loss(degc, soc + 0.15) >= loss(degc, soc)
