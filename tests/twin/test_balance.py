"""Aged electrodes: what they leave, and that the state of health stays master."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.errors import InputError
from evitals.twin import balance, cell
from evitals.twin.ageing import MODES_STEP, YEAR_S, Age, Ageing, Knee

CELLS = [name for name in cell.known() if cell.cell(name).negative]
LOSSES = st.floats(0.0, 0.3)


@pytest.mark.parametrize("name", CELLS)
def test_a_new_cell_spans_its_voltages(name: str) -> None:
    new = cell.electrodes(name)
    table = balance.ocv_table(new)
    assert balance.window(new).capacity == 1.0
    assert table[[0, -1]] == pytest.approx([new.voltage_empty_v, new.voltage_full_v], abs=1e-6)
    np.testing.assert_array_equal(cell.ocv_table(name), table)


@settings(deadline=None)
@given(st.sampled_from(CELLS), LOSSES, LOSSES, LOSSES)
def test_lithium_is_kept_and_the_curve_rises(
    name: str, lli: float, lam_negative: float, lam_positive: float
) -> None:
    new = cell.electrodes(name)
    fresh, found = balance.window(new), balance.window(new, (lli, lam_negative, lam_positive))
    negative = 1.0 / (new.negative_full - new.negative_empty)
    positive = 1.0 / (new.positive_empty - new.positive_full)
    lithium = fresh.negative_full * negative + fresh.positive_full * positive
    for x, y in (
        (found.negative_empty, found.positive_empty),
        (found.negative_full, found.positive_full),
    ):
        held = x * negative * (1 - lam_negative) + y * positive * (1 - lam_positive)
        assert held == pytest.approx((1 - lli) * lithium)
        assert 0.0 <= x <= 1.0
        assert 0.0 <= y <= 1.0
    assert np.all(np.diff(balance.ocv_table(new, (lli, lam_negative, lam_positive))) > -1e-9)
    only_lithium = balance.window(new, (lli, 0.0, 0.0)).capacity
    assert 1.0 - 2.0 * lli - 1e-9 <= only_lithium <= 1.0 + 1e-9


@settings(deadline=None)
@given(st.sampled_from(CELLS), st.floats(0.6, 1.0))
def test_the_lithium_that_leaves_a_capacity_leaves_it(name: str, capacity: float) -> None:
    new = cell.electrodes(name)
    lost = balance.for_capacity(new, capacity)
    assert balance.window(new, lost).capacity == pytest.approx(capacity, abs=1e-5)


@pytest.mark.parametrize("model", ["NMC", "NCA", "LFP", "nmc-kokam-75ah"])
@pytest.mark.parametrize("knee", [None, Knee(0.05, 2.0)])
def test_the_state_of_health_is_master(model: str, knee: Knee | None) -> None:
    vehicle, age = Ageing(model, knee=knee, new_soh=0.99), Age()
    for _ in range(10):
        age = vehicle.after(age, YEAR_S, 22.0, 0.6, 150.0)
        lost = vehicle.modes(age, "nmc811-lgm50")
        left = balance.window(cell.electrodes("nmc811-lgm50"), lost).capacity
        assert left == pytest.approx(1.0 - vehicle.loss(age), abs=0.51 * MODES_STEP)
    assert lost[0] > 0.02


def test_lost_lithium_empties_the_negative_electrode_and_material_fills_it() -> None:
    new = cell.electrodes("nmc811-lgm50")
    fresh, poor = balance.window(new), balance.window(new, (0.1, 0.0, 0.0))
    thin = balance.window(new, (0.1, 0.1, 0.0))
    assert poor.negative_full < 0.9 * fresh.negative_full
    assert thin.negative_full > poor.negative_full
    middle = cell.ocv_table("nmc811-lgm50", 0.1)[200] - cell.ocv_table("nmc811-lgm50")[200]
    assert 0.005 < middle < 0.1


def test_a_cell_without_lithium_is_refused() -> None:
    new = cell.electrodes("nmc811-lgm50")
    with pytest.raises(InputError, match="balance"):
        balance.window(new, (0.7, 0.0, 0.0))
    with pytest.raises(InputError, match="balance"):
        balance.window(new, (-0.1, 0.0, 0.0))
    with pytest.raises(InputError, match="capacity"):
        balance.for_capacity(new, 0.2)
    with pytest.raises(InputError, match="known cell"):
        cell.electrodes("nmc812")
    assert balance.for_capacity(new, 0.99, 0.5)[0] == 0.0
