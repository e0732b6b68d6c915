"""The streaming contract: what every estimator fed with SoC, current and temperature can do.

``evitals.estimators.program.machine`` says what unknown inputs and refused steps mean; an estimator
of another make keeps to the same. The contract suite (tests/contracts/test_voltage.py) runs over
all of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evitals.errors import InputError
from evitals.estimators.program import Engine, Program, Status, machine

INPUTS = ("soc", "current_a", "temperature_degc")
"""What ``step`` takes after ``dt_s``, in this order."""


class Estimator(Protocol):
    """One battery's estimator. ``run`` equals ``step`` after ``step``; calls from several threads
    take turns; no step raises for its numbers."""

    def reset(self) -> None:
        """Forget all samples: as good as new."""

    def step(self, dt_s: float, soc: float, current_a: float, temperature_degc: float, /) -> float:
        """The output after this sample, held for ``dt_s`` (s; 0 at the first); NaN: unknown."""

    def run(self, columns: Mapping[str, ArrayLike], first_dt_s: float = 0.0) -> NDArray[np.float64]:
        """The output (n,) for columns ``time_s`` and ``INPUTS``, (n,) each. Raises InputError."""

    def state(self) -> dict[str, Any]:
        """The checkpoint: plain JSON-able data."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()``. Raises InputError where it is another's."""

    @property
    def status(self) -> Status:
        """What the last sample was: ok, input_unknown, step_refused or diverged."""

    @property
    def unknown_s(self) -> float:
        """Time since the last known sample, s; 0 where the last one was known."""


def estimator(program: Program, engine: Engine = "auto", cache: Path | None = None) -> Estimator:
    """A program as an estimator. Raises InputError where it takes other inputs than ``INPUTS``."""
    names = tuple(signal.name for signal in program.inputs)
    if names != INPUTS:
        raise InputError("inputs", names, f"are not {INPUTS}", "step it as a machine instead")
    return machine(program, engine, cache)
