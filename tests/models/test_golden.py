"""Golden vectors: they come back from every engine, and from no other model."""

from typing import Any

import msgspec
import numpy as np
import pytest

from evitals.errors import InputError, RefusedBundle
from evitals.estimators.program.engine import machine
from evitals.estimators.program.interpreter import Interpreter
from evitals.estimators.program.program import Program
from evitals.models import golden
from evitals.models.golden import Golden

from .bundles import ONE_STEP, STEPS, programs

KINDS = sorted(programs())


def vectors(program: Program) -> Golden:
    return golden.golden_of(program, STEPS if program.step_s is None else ONE_STEP)


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_gives_them_again_exactly(kind: str) -> None:
    program = programs()[kind]
    assert golden.check(vectors(program), Interpreter(program)) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_that_serves_gives_them_within_a_fifth_of_the_tolerance(kind: str) -> None:
    program = programs()[kind]
    made = vectors(program)
    assert golden.check(made, machine(program)) < made.tolerance / 5.0


@pytest.mark.parametrize("kind", KINDS)
def test_another_model_is_found_out(kind: str) -> None:
    with pytest.raises(RefusedBundle) as refused:
        golden.check(vectors(programs()[kind]), Interpreter(programs(1)[kind]))
    assert refused.value.reason == "golden_mismatch"


@pytest.mark.parametrize("kind", KINDS)
def test_one_percent_on_any_array_is_found_out(kind: str) -> None:
    program = programs()[kind]
    made = vectors(program)
    for name, values in program.arrays.items():
        if name.endswith("_bias") and not values.any():
            continue
        arrays = program.arrays | {name: values * np.float32(1.01)}
        other = Program(
            program.kind, program.inputs, program.nodes, arrays, program.output, program.step_s
        )
        with pytest.raises(RefusedBundle):
            golden.check(made, Interpreter(other))


def test_they_fill_the_ranges_and_step_times() -> None:
    made = vectors(programs()["filter_fnn"])
    low, high = np.min(made.inputs, axis=1), np.max(made.inputs, axis=1)
    spans = np.array([1.0, 26.0, 60.0])
    assert (high - low > 0.95 * spans * [0.9, 1.0, 1.0]).all()
    assert made.dt_s[0] == 0.0
    assert min(made.dt_s[1:]) < 1.0 < 55.0 < max(made.dt_s)
    assert all(float(np.float32(v)) == v for column in made.inputs for v in column)


def test_a_recurrent_network_gets_its_one_step() -> None:
    assert set(vectors(programs()["lstm"]).dt_s[1:]) == {1.0}


def test_the_check_leaves_no_trace() -> None:
    program = programs()["filter_fnn"]
    engine = Interpreter(program)
    golden.check(vectors(program), engine)
    assert engine.state() == Interpreter(program).state()


def test_a_wrong_state_is_found_out_though_the_answers_are_right() -> None:
    program = programs()["circuit"]
    made = vectors(program)
    for name in ("state_middle", "state_end"):
        state = list(getattr(made, name))
        state[0] += 0.01
        changed = msgspec.structs.replace(made, **{name: tuple(state)})
        with pytest.raises(RefusedBundle, match="state 0"):
            golden.check(changed, Interpreter(program))


def test_vectors_of_another_shape() -> None:
    made = vectors(programs()["circuit"])
    with pytest.raises(RefusedBundle, match="not the program's"):
        golden.check(made, Interpreter(programs()["fnn"]))


@pytest.mark.parametrize(
    "changes",
    [
        {"tolerance": 1.0},
        {"tolerance": float("nan")},
        {"outputs": (3.0, 4.0)},
        {"outputs": (float("nan"),) * golden.ROWS},
        {"state_end": (float("inf"),) * 4},
        {"middle": golden.ROWS},
        {"inputs": ()},
        {"inputs": ((1.0, 2.0),)},
    ],
)
def test_vectors_that_prove_nothing_are_refused(changes: dict[str, Any]) -> None:
    good = vectors(programs()["circuit"])
    fields = msgspec.structs.asdict(good) | changes
    if changes == {"inputs": ()}:
        with pytest.raises(RefusedBundle):
            golden.check(Golden(**fields), Interpreter(programs()["circuit"]))
        return
    with pytest.raises(InputError):
        Golden(**fields)


def test_a_model_that_overflows_within_its_ranges_gets_no_vectors() -> None:
    program = programs()["static_table"]
    arrays = {n: np.full_like(v, 9e11) if "values" in n else v for n, v in program.arrays.items()}
    wild = Program(
        program.kind,
        (program.inputs[0], msgspec.structs.replace(program.inputs[1], high=3e38),
         program.inputs[2]),
        program.nodes, arrays, program.output,
    )  # fmt: skip
    with pytest.raises(InputError, match="no finite answer"):
        golden.golden_of(wild, STEPS)
