"""The reference computes the equations of ``ops``, and columns as it steps."""

import math

import numpy as np
import pytest

from evitals.cells.chemistry import chemistry
from evitals.cells.circuit import Circuit
from evitals.errors import InputError
from evitals.estimators.program import Input, Node, Output, Program, machine
from evitals.estimators.program import builders as b
from evitals.estimators.program.columns import RUNS
from evitals.estimators.program.ops import OPS
from evitals.estimators.program.samples import STEPS

from .made_up import KINDS, columns, fnn, irregular, stepped


def test_every_operation_is_computed_both_ways() -> None:
    assert OPS.keys() == STEPS.keys() == RUNS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_columns_equal_steps(kind: str) -> None:
    program = KINDS[kind]()
    for made in [columns()] if program.step_s else [columns(), irregular(), irregular(5, 3)]:
        one, two = machine(program, "numpy"), machine(program, "numpy")
        np.testing.assert_allclose(one.run(made), stepped(two, made), rtol=0, atol=1e-9)
        np.testing.assert_allclose(one.state()["values"], two.state()["values"], atol=1e-9)


def test_the_circuit_is_the_cells() -> None:
    nmc = chemistry("NMC")
    r0, r1, r2 = (r.T / 3.0 for r in (nmc.r0_ohm_ah, nmc.r1_ohm_ah, nmc.r2_ohm_ah))
    program = b.circuit(
        nmc.soc_knots, nmc.temperatures_degc, nmc.ocv_v, r0,
        b.Branches(np.stack([r1, r2]), nmc.tau_s), ocv_soc=nmc.ocv_soc,
    )  # fmt: skip
    made = irregular()
    expected = Circuit(nmc, 1, 1, 3.0).run(
        made["time_s"], made["current_a"], made["soc"], made["temperature_degc"]
    )
    np.testing.assert_allclose(machine(program, "numpy").run(made), expected, atol=2e-6)


def test_a_mean_is_exact_in_the_step_time() -> None:
    """One step of 7 s answers like seven of 1 s, and like the closed form."""
    program = Program(
        "mean",
        (Input("current_a", "A", -10.0, 10.0),),
        (Node("ema", "y", ("current_a",), ("tau",)),),
        {"tau": np.array([30.0])},
        Output("y", "A", "y"),
    )
    one, many = machine(program, "numpy"), machine(program, "numpy")
    for _ in range(7):
        last = many.step(1.0, 4.0)
    assert one.step(7.0, 4.0) == pytest.approx(last, abs=1e-12)
    assert last == pytest.approx(4.0 * (1.0 - math.exp(-7.0 / 30.0)), abs=1e-12)


def test_hysteresis_follows_the_charge_moved() -> None:
    program = Program(
        "memory",
        (Input("current_a", "A", -10.0, 10.0),),
        (Node("hysteresis", "y", ("current_a",), (), {"rate": 0.01}),),
        {},
        Output("y", "1", "y"),
    )
    made = machine(program, "numpy")
    assert made.step(20.0, 5.0) == pytest.approx(1.0 - math.exp(-1.0))
    assert made.step(1e6, 0.0) == pytest.approx(1.0 - math.exp(-1.0))
    assert made.step(1e6, -5.0) == pytest.approx(-1.0)


def test_tables_meet_their_knots_and_hold_beyond() -> None:
    program = b.static_table([0.0, 0.5, 1.0], [0.0, 10.0], [[3, 3.1], [3.5, 3.6], [4, 4.2]],
                             np.zeros((3, 2)))  # fmt: skip
    made = machine(program, "numpy")
    assert made.step(0.0, 0.5, 1.0, 10.0) == pytest.approx(3.6)
    assert made.step(1.0, 0.75, 1.0, 5.0) == pytest.approx((3.5 + 3.6 + 4.0 + 4.2) / 4)
    assert made.step(1.0, 9.0, 1.0, 99.0) == pytest.approx(4.2)
    assert made.step(1.0, -9.0, 1.0, -99.0) == pytest.approx(3.0)


def test_scaling_is_folded() -> None:
    rng = np.random.default_rng(0)
    weight, bias, (scale, offset) = (
        rng.normal(size=(1, 3)),
        rng.normal(size=1),
        rng.normal(size=(2, 3)),
    )
    made = machine(b.fnn([b.Layer(weight, bias)], scaling=b.Scaling(scale, offset)), "numpy")
    x = np.array([0.4, -3.0, 21.0])
    expected = weight[0] @ (x * scale + offset) + bias[0]
    assert made.step(0.0, *x.tolist()) == pytest.approx(expected, abs=1e-5)


def test_a_diverging_program_starts_again() -> None:
    program = Program(
        "steep",
        (Input("x", "1", 0.0, 1.0),),
        (
            Node("ema", "mean", ("x",), ("tau",)),
            Node("product", "steep", ("mean",) * 40),
        ),
        {"tau": np.array([1.0])},
        Output("y", "1", "steep"),
    )
    made = machine(program, "numpy")
    made.step(1.0, 2.0)
    assert math.isnan(made.step(1.0, 1e8))
    assert made.status == "diverged"
    assert made.state()["values"] == [0.0]
    made_columns = {"time_s": np.arange(3.0), "x": np.array([2.0, 1e8, 2.0])}
    made.reset()
    answers = made.run(made_columns, first_dt_s=1.0)
    assert np.isnan(answers).tolist() == [False, True, False]
    assert answers[2] == answers[0]


def test_builders_refuse_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="one a branch"):
        b.circuit([0, 1], [0, 1], np.ones((2, 2)), np.ones((2, 2)),
                  b.Branches(np.ones((3, 2, 2)), [1.0]))  # fmt: skip
    with pytest.raises(InputError, match="relu or tanh"):
        b.fnn([b.Layer(np.ones((1, 3)), [0.0])], activation="gelu")
    with pytest.raises(InputError, match="does not fit weights"):
        b.fnn([b.Layer(np.ones((1, 3)), [0.0])], scaling=b.Scaling([1.0], [0.0]))
    with pytest.raises(InputError, match="same signals"):
        b.residual(fnn(), b.fnn([b.Layer([[1.0]], [0.0])], inputs=[b.signal("soc")]))
