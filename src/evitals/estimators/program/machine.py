"""The streaming contract of a program: ``reset / step / run / state / restore``.

What runs it (NumPy, compiled C) is a ``Machine``. Every machine answers alike:

- A step takes the time since the last sample and one number an input, and gives the output's value.
  Inputs are held to have been constant since the last sample.
- NaN, an infinite value or one beyond ``INPUT_LIMIT`` is an unknown input: the answer is NaN, the
  state stays, and the time passes (``unknown_s``): the next known sample covers it all. A recurrent
  network knows one step time, so for it the missing samples never were.
- A step time that is negative, not finite, or not the program's one ``step_s`` (0 stands for "first
  sample" and is taken as one step) is refused: NaN, state and time as before.
- An answer that is not finite resets the machine (``diverged``).
- ``status`` says which of these the last sample was. No step raises for its numbers.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evitals.errors import InputError
from evitals.estimators.program.program import INPUT_LIMIT, STEP_TOLERANCE, Program

Array = NDArray[np.float64]
Status = Literal["ok", "input_unknown", "step_refused", "diverged"]


class Machine(ABC):
    """A program at work, with its state. Safe to be used by several threads: calls take turns."""

    engine: str
    """What computes: ``numpy``, ``cffi`` (C called directly) or ``dlopen`` (C through libffi)."""
    step: Callable[..., float]
    """``step(dt_s, *values)``: the output after ``values`` (one an input, in the program's order)
    held for ``dt_s``, s. NaN where unknown; ``status`` says why. Raises TypeError for another
    number of inputs."""
    reason: str = ""
    """Why it is not the engine that was asked for; "" where it is."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._lock = threading.Lock()
        self._tolerance = STEP_TOLERANCE * (program.step_s or 0.0)
        self._digest = program.digest()

    def reset(self) -> None:
        """Forget all samples: as good as new."""
        with self._lock:
            self._reset()

    def run(self, columns: Mapping[str, ArrayLike], first_dt_s: float = 0.0) -> Array:
        """The output (n,), float64, for columns (n,): ``step`` after ``step`` from its state.

        ``columns``: ``time_s`` (s, not decreasing) and one column an input; others are ignored.
        ``first_dt_s`` is the time from the sample before to the first row. A row without a time is
        unknown. Raises InputError where a column is missing or of another length, time runs
        backward, or the program has one step time and the rows another: resample them to it first
        (``program.step_s``).
        """
        dt_s = self._steps(columns, first_dt_s)
        inputs = np.empty((len(dt_s), len(self.program.inputs)))
        for k, signal in enumerate(self.program.inputs):
            inputs[:, k] = _column(columns, signal.name, len(dt_s))
        with self._lock:
            return self._run(dt_s, inputs)

    def state(self) -> dict[str, Any]:
        """The checkpoint: plain JSON-able data; ``restore`` goes on from it exactly."""
        with self._lock:
            unknown_s, values = self._get()
        return {"program": self._digest, "unknown_s": unknown_s, "values": values.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()`` of the same program, whichever machine it was.

        Raises InputError where it does not hold one; the machine stays as it was.
        """
        unknown_s, values = self._checked(state)
        with self._lock:
            self._set(unknown_s, values)

    @property
    @abstractmethod
    def status(self) -> Status:
        """What the last sample was."""

    @property
    @abstractmethod
    def unknown_s(self) -> float:
        """Time since the last known sample, s; 0 where the last one was known."""

    @abstractmethod
    def _run(self, dt_s: Array, inputs: Array) -> Array: ...

    @abstractmethod
    def _reset(self) -> None: ...

    @abstractmethod
    def _get(self) -> tuple[float, Array]: ...

    @abstractmethod
    def _set(self, unknown_s: float, values: Array) -> None: ...

    def _steps(self, columns: Mapping[str, ArrayLike], first_dt_s: float) -> Array:
        """Time to each row from the last row that has one (n,), s; NaN for a row without."""
        time_s = _column(columns, "time_s", None)
        dt_s = np.full(len(time_s), np.nan)
        rows = np.flatnonzero(np.isfinite(time_s))
        if not rows.size:
            return dt_s
        dt_s[rows[0]] = first_dt_s
        dt_s[rows[1:]] = np.diff(time_s[rows])
        later = dt_s[rows[1:]]
        if (later < 0.0).any():
            row = int(rows[1:][later < 0.0][0])
            raise InputError("time_s", f"row {row}", "runs backward", "sort or cut the rows there")
        step = self.program.step_s
        if step is not None and (wrong := np.abs(later - step) > self._tolerance).any():
            row = int(rows[1:][wrong][0])
            raise InputError(
                "time_s",
                f"{float(dt_s[row]):g} s before row {row}",
                f"is not this program's step of {step:g} s",
                "resample the columns to it, or cut them at gaps and reset",
                reason="step_refused",
            )
        return dt_s

    def _checked(self, state: Mapping[str, Any]) -> tuple[float, Array]:
        try:
            program, unknown_s = state["program"], float(state["unknown_s"])
            values = np.asarray(state["values"], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise _foreign(state, "is not a machine's", "reset and run again") from error
        if program != self._digest:
            raise _foreign(program, f"is another program's, not {self._digest[:12]}'s", "reset")
        if values.shape != (self.program.state_size,):
            raise _foreign(values.shape, f"is not ({self.program.state_size},)", "reset")
        if not (np.isfinite(values).all() and 0.0 <= unknown_s < INPUT_LIMIT):
            raise _foreign(unknown_s, "or a value is not finite", "reset")
        return unknown_s, values


def _foreign(value: Any, problem: str, remedy: str) -> InputError:
    return InputError("state", value, problem, remedy, reason="foreign_state")


def _column(columns: Mapping[str, ArrayLike], name: str, size: int | None) -> Array:
    if name not in columns:
        raise InputError(name, sorted(columns), "is missing", f"send the column {name}")
    try:
        values = np.asarray(columns[name], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, str(error), "is not numeric", "send numbers") from error
    if values.ndim != 1 or (size is not None and values.size != size):
        expected = "one dimension" if size is None else f"{size} rows"
        raise InputError(name, values.shape, f"is not a column of {expected}", "send equal columns")
    return values
