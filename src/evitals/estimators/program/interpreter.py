"""The reference: a program computed by NumPy in float64 from its float32 arrays.

Networks without feedback, filters and circuits run without Python per sample; recurrent networks
take one round a sample.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evitals.estimators.program.columns import RUNS
from evitals.estimators.program.machine import Machine, Status
from evitals.estimators.program.program import INPUT_LIMIT, OUTPUT_LIMIT, Node, Program
from evitals.estimators.program.samples import STEPS, Place, Work

Array = NDArray[np.float64]


class Interpreter(Machine):
    """A program stepped and run by NumPy."""

    engine = "numpy"

    def __init__(self, program: Program, reason: str = "") -> None:
        super().__init__(program)
        self.reason = reason
        self._arrays = {name: a.astype(np.float64) for name, a in program.arrays.items()}
        self._inputs = np.zeros(len(program.inputs))
        self._states: dict[str, Array] = {}
        self._work: list[Work] = []
        values = {s.name: self._inputs[k : k + 1] for k, s in enumerate(program.inputs)}
        for node in program.nodes:
            made = STEPS[node.op](self._place(node, values))
            values[node.out] = made.out
            self._work += [] if made.work is None else [made.work]
            for part, state in made.states.items():
                self._states[f"{node.out}.{part}" if part else node.out] = state
        self._out = values[program.output.value]
        self._unknown, self._status = 0.0, "ok"

    _status: Status

    def step(self, dt_s: float, *values: float) -> float:
        with self._lock:
            return self._step(dt_s, values)

    @property
    def status(self) -> Status:
        return self._status

    @property
    def unknown_s(self) -> float:
        return self._unknown

    def _place(self, node: Node, values: dict[str, Array]) -> Place:
        return Place(
            args=[values[name] for name in node.args],
            arrays=[self._arrays[name] for name in node.arrays],
            numbers=node.numbers,
            width=self.program.widths[node.out],
        )

    def _step(self, dt_s: float, values: Sequence[float]) -> float:
        if len(values) != len(self._inputs):
            raise TypeError(f"step takes dt_s and {len(self._inputs)} inputs, not {len(values)}")
        if not self._takes(dt_s):
            self._status = "step_refused"
            return np.nan
        for value in values:
            if not -INPUT_LIMIT < value < INPUT_LIMIT:
                self._unknown += dt_s
                self._status = "input_unknown"
                return np.nan
        self._inputs[:] = values
        dt_s += self._unknown
        with np.errstate(over="ignore", invalid="ignore"):
            for work in self._work:
                work(dt_s)
        self._unknown = 0.0
        value = float(self._out[0])
        if not -OUTPUT_LIMIT < value < OUTPUT_LIMIT:
            self._reset()
            self._status = "diverged"
            return np.nan
        self._status = "ok"
        return value

    def _takes(self, dt_s: float) -> bool:
        step = self.program.step_s
        if step is None or dt_s == 0.0:
            return 0.0 <= dt_s < INPUT_LIMIT
        return abs(dt_s - step) <= self._tolerance

    def _run(self, dt_s: Array, inputs: Array) -> Array:
        taken = self._taken(dt_s)
        known = taken & (np.abs(inputs) < INPUT_LIMIT).all(axis=1)
        rows = np.flatnonzero(known)
        out = np.full(len(dt_s), np.nan)
        if rows.size:
            elapsed = self._unknown + np.cumsum(np.where(taken, dt_s, 0.0))
            answers = self._columns(np.diff(elapsed[rows], prepend=0.0), inputs[rows])
            if answers is None:
                steps = zip(dt_s.tolist(), inputs.tolist(), strict=True)
                return np.array([self._step(t, row) for t, row in steps])
            out[rows] = answers
            self._unknown = 0.0
        self._trail(dt_s, known, taken, int(rows[-1]) + 1 if rows.size else 0)
        return out

    def _taken(self, dt_s: Array) -> NDArray[np.bool_]:
        step = self.program.step_s
        if step is None:
            return np.asarray((dt_s >= 0.0) & (dt_s < INPUT_LIMIT))
        return np.asarray((dt_s == 0.0) | (np.abs(dt_s - step) <= self._tolerance))

    def _trail(
        self, dt_s: Array, known: NDArray[np.bool_], taken: NDArray[np.bool_], start: int
    ) -> None:
        """What the rows after the last known one leave behind."""
        self._unknown += float(dt_s[start:][taken[start:]].sum())
        if len(dt_s):
            self._status = "ok" if known[-1] else "input_unknown" if taken[-1] else "step_refused"

    def _columns(self, dt_s: Array, inputs: Array) -> Array | None:
        """Answers (n,) of known rows, states to their end; None where one diverges, states as
        before: where it happens matters, so it must be stepped."""
        before = {name: state.copy() for name, state in self._states.items()}
        values = {s.name: inputs[:, k : k + 1] for k, s in enumerate(self.program.inputs)}
        with np.errstate(over="ignore", invalid="ignore"):
            for node in self.program.nodes:
                run = RUNS[node.op]
                values[node.out] = run(self._place(node, values), dt_s, self._states_of(node))
        answers = values[self.program.output.value][:, 0]
        if (np.abs(answers) < OUTPUT_LIMIT).all():
            return answers
        for name, state in before.items():
            self._states[name][:] = state
        return None

    def _states_of(self, node: Node) -> dict[str, Array]:
        split = ((name.partition("."), state) for name, state in self._states.items())
        return {part: state for (out, _, part), state in split if out == node.out}

    def _reset(self) -> None:
        for state in self._states.values():
            state[:] = 0.0
        self._unknown, self._status = 0.0, "ok"

    def _get(self) -> tuple[float, Array]:
        parts = [self._states[name] for name in self.program.states]
        return self._unknown, np.concatenate([*parts, np.empty(0)])

    def _set(self, unknown_s: float, values: Array) -> None:
        start = 0
        for name, width in self.program.states.items():
            self._states[name][:] = values[start : start + width]
            start += width
        self._unknown, self._status = unknown_s, "ok"
