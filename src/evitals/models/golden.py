"""Golden vectors: samples and the answers to them, which every engine must give again.

They go from a reset through a state in the middle, which is put in again, to the end. They are
compared when a bundle is loaded, before it serves, and on the BMS.
"""

import math
from itertools import pairwise
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from evitals.errors import InputError, RefusedBundle
from evitals.estimators.program.interpreter import Interpreter
from evitals.estimators.program.machine import Machine
from evitals.estimators.program.program import Program
from evitals.models.manifest import Step

ROWS = 96
TOLERANCE = 1e-5
"""How far an answer in float32 may be off, relative to the output's largest size (at least 1)."""
MOST_ROWS, MOST_TOLERANCE = 10_000, 1e-3

Column = Annotated[tuple[float, ...], Meta(min_length=2, max_length=MOST_ROWS)]
Values = Annotated[tuple[float, ...], Meta(max_length=1_000_000)]


class Golden(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``dt_s`` (n,) s; ``inputs`` one (n,) a signal; ``outputs`` (n,); the state before row
    ``middle`` and after the last, in the program's order; ``tolerance`` in the output's unit."""

    dt_s: Column
    inputs: tuple[Column, ...]
    outputs: Column
    middle: Annotated[int, Meta(ge=1)]
    state_middle: Values
    state_end: Values
    tolerance: Annotated[float, Meta(gt=0.0)]

    def __post_init__(self) -> None:
        columns = (self.dt_s, self.outputs, *self.inputs)
        if any(len(a) != len(b) for a, b in pairwise(columns)) or self.middle >= len(self.dt_s):
            raise InputError("golden", self.middle, "or a length does not fit", "build it again")
        numbers = (*columns, self.state_middle, self.state_end, (self.tolerance,))
        if not all(math.isfinite(value) for values in numbers for value in values):
            raise InputError("golden", "a value", "is not finite", "build it again")
        largest = max(1.0, *map(abs, self.outputs))
        if self.tolerance > MOST_TOLERANCE * largest:
            raise InputError(
                "golden.tolerance", self.tolerance, f"is above {MOST_TOLERANCE} of the largest "
                "answer: it would prove nothing", "build it again",
            )  # fmt: skip


def golden_of(program: Program, step: Step) -> Golden:
    """Vectors over the whole range of each input and step time, from the NumPy interpreter.

    Raises InputError where an answer within the ranges is not finite.
    """
    dt_s, inputs = _samples(program, step)
    machine, middle = Interpreter(program), ROWS // 2
    rows = list(zip(dt_s, *inputs.T.tolist(), strict=True))
    outputs = [machine.step(*row) for row in rows[:middle]]
    before = machine.state()["values"]
    outputs += [machine.step(*row) for row in rows[middle:]]
    wrong = [row for row, value in enumerate(outputs) if not math.isfinite(value)]
    if wrong:
        at = dict(zip((s.name for s in program.inputs), inputs[wrong[0]].tolist(), strict=True))
        raise InputError(
            "program", at, "is within the ranges and has no finite answer",
            "narrow the ranges of its inputs, or train it again", reason="not_finite",
        )  # fmt: skip
    return Golden(
        dt_s=tuple(dt_s),
        inputs=tuple(map(tuple, inputs.T.tolist())),
        outputs=tuple(outputs),
        middle=middle,
        state_middle=tuple(before),
        state_end=tuple(machine.state()["values"]),
        tolerance=TOLERANCE * max(1.0, *map(abs, outputs)),
    )


def check(golden: Golden, machine: Machine) -> float:
    """The largest error of ``machine`` over the vectors, in the output's unit; it ends reset.

    Raises RefusedBundle (golden_mismatch) naming the first row or state that does not come back.
    """
    program, n = machine.program, golden.middle
    sizes = (len(golden.inputs), len(golden.state_middle), len(golden.state_end))
    if sizes != (len(program.inputs), program.state_size, program.state_size):
        raise _mismatch(sizes, "numbers of inputs and states are not the program's")
    rows = list(zip(golden.dt_s, *golden.inputs, strict=True))
    about = {"program": program.digest(), "unknown_s": 0.0}
    machine.reset()
    answers = [machine.step(*row) for row in rows[:n]]
    _same_state(golden.state_middle, machine, golden)
    machine.restore(about | {"values": golden.state_middle})
    answers += [machine.step(*row) for row in rows[n:]]
    _same_state(golden.state_end, machine, golden)
    machine.reset()
    return compare(golden, np.asarray(answers))


def compare(golden: Golden, answers: NDArray[np.floating]) -> float:
    """The largest error of answers (n,), as ``check``. Raises RefusedBundle likewise."""
    error = np.abs(np.asarray(answers, np.float64) - golden.outputs)
    wrong = np.flatnonzero(~(error <= golden.tolerance))
    if wrong.size:
        row = int(wrong[0])
        raise _mismatch(
            f"row {row}: {float(answers[row]):.6g}",
            f"is not {golden.outputs[row]:.6g} within {golden.tolerance:.2g}",
        )
    return float(error.max())


def _same_state(expected: tuple[float, ...], machine: Machine, golden: Golden) -> None:
    found, wanted = np.asarray(machine.state()["values"]), np.asarray(expected)
    bound = golden.tolerance * np.maximum(1.0, np.abs(wanted))
    wrong = np.flatnonzero(~(np.abs(found - wanted) <= bound))
    if wrong.size:
        k = int(wrong[0])
        raise _mismatch(f"state {k}: {found[k]:.6g}", f"is not {wanted[k]:.6g}")


def _samples(program: Program, step: Step) -> tuple[list[float], NDArray[np.float64]]:
    """Step times (n,) and inputs (n, k) that fill their ranges evenly, exact in float32.

    The additive recurrence of M. Roberts, The unreasonable effectiveness of quasirandom sequences
    (2018): no random generator whose stream may change.
    """
    size = len(program.inputs) + 1
    ratio = 2.0
    for _ in range(60):
        ratio = (1.0 + ratio) ** (1.0 / (size + 1))
    share = np.outer(np.arange(1, ROWS + 1), ratio ** -np.arange(1.0, size + 1)) % 1.0
    low = np.array([s.low for s in program.inputs] + [step.low_s])
    high = np.array([s.high for s in program.inputs] + [step.high_s])
    rows = (low + share * (high - low)).astype(np.float32).astype(np.float64)
    dt_s = rows[:, -1].tolist() if program.step_s is None else [program.step_s] * ROWS
    return [0.0, *dt_s[1:]], rows[:, :-1]


def _mismatch(what: object, problem: str) -> RefusedBundle:
    return RefusedBundle(
        "golden vectors", what, problem, "do not use this bundle; build it again",
        reason="golden_mismatch",
    )  # fmt: skip
