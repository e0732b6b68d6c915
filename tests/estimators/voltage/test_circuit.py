"""The linear circuit: its program computes its equation, and is read back exactly."""

import math

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.estimators.program import machine
from evitals.estimators.program.builders import static_table
from evitals.estimators.voltage.circuit import Circuit
from tests.estimators.voltage.made_up import circuit


@pytest.mark.parametrize("kinetic_a", [None, 0.5])
def test_the_program_is_the_equation(kinetic_a: float | None) -> None:
    cell = circuit(kinetic_a)
    stream = machine(cell.program(), "numpy")
    stream.step(0.0, 0.62, -4.0, 7.0)
    found = stream.step(3.0, 0.61, -6.0, 8.0)
    at = cell.at(0.61, 8.0)
    # From rest the branch currents are what flowed over the one step of three seconds.
    flows = -6.0 * -np.expm1(-3.0 / cell.tau_s)
    expected = at.ocv_v + at.r0_ohm * -6.0 + float(at.branch_ohm @ flows)
    if kinetic_a is not None:
        expected += at.kinetic_v * math.asinh(-6.0 / kinetic_a)
    assert found == pytest.approx(expected, abs=2e-6)


def test_without_current_the_voltage_is_the_ocv() -> None:
    cell = circuit()
    soc = np.array([-0.1, 0.0, 0.333, 0.8, 1.0, 1.05])
    stream = machine(cell.program(), "numpy")
    answers = [stream.step(0.0, float(s), 0.0, -3.0) for s in soc]
    assert answers == pytest.approx(cell.ocv(soc, -3.0), abs=1e-6)
    assert cell.at(0.333, -3.0).ocv_v == pytest.approx(answers[2], abs=1e-6)


@pytest.mark.parametrize("kinetic_a", [None, 0.5])
@pytest.mark.parametrize("tau_s", [(), (2.0, 30.0)])
def test_a_circuit_is_read_back_from_its_program(
    kinetic_a: float | None, tau_s: tuple[float, ...]
) -> None:
    cell = circuit(kinetic_a, tau_s)
    again = Circuit.from_program(cell.program())
    assert again.kind == cell.kind
    assert again.kinetic_a == cell.kinetic_a
    for name in ("ocv_soc", "ocv_v", "soc", "temperature_degc", "tau_s", "tables"):
        assert np.allclose(getattr(again, name), getattr(cell, name), atol=1e-6)
    assert again.program().digest() == cell.program().digest()


def test_another_program_is_no_circuit() -> None:
    other = static_table([0.0, 1.0], [0.0, 20.0], np.full((2, 2), 3.7), np.full((2, 2), 0.1))
    with pytest.raises(InputError, match="linear circuit"):
        Circuit.from_program(other)


def test_tables_of_another_shape_are_refused() -> None:
    cell = circuit()
    with pytest.raises(InputError, match="tables"):
        Circuit(
            cell.ocv_soc,
            cell.ocv_v,
            cell.soc,
            cell.temperature_degc,
            cell.tau_s[:2],
            cell.kinetic_a,
            cell.tables,
        )
