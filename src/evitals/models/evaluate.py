"""Scores of an estimator over whole cycles, streaming, with every baseline beside it.

An estimator is a Program: reset at a cycle's start, stepped over measured inputs; the measured
target is never fed back. Errors are pooled over samples. The first minute is reported apart and
left out of the maximum: a cell that was not at rest before is unknown to any estimator.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.estimators.program.interpreter import Interpreter
from evitals.estimators.program.program import Program
from evitals.models.cycles import Cycle

Array = NDArray[np.float64]

COLD_START_S = 60.0


class Score(Struct, frozen=True, kw_only=True):
    """Errors in the target's unit, estimate minus measurement.

    ``rmse``, ``mae``, ``bias``: all samples. ``by_degc``: RMSE at each ambient temperature, degC.
    ``by_profile``: RMSE of each drive cycle. ``max_error``: largest after the first 60 s;
    ``first_60_s``: RMSE within it. ``unknown``: samples without an answer, which no figure counts.
    """

    rmse: float
    mae: float
    bias: float
    max_error: float
    first_60_s: float
    by_degc: dict[str, float]
    by_profile: dict[str, float]
    samples: int
    unknown: int


def errors(program: Program, cycle: Cycle) -> Array:
    """Estimate minus measurement over a cycle, (n,); NaN where it gives no answer."""
    machine = Interpreter(program)
    return np.asarray(machine.run(cycle.timed())) - cycle.columns[program.output.name]


def score(program: Program, cycles: Sequence[Cycle]) -> Score:
    """The program's score over these cycles. Raises InputError where there is none to score."""
    return pooled([(cycle, errors(program, cycle)) for cycle in cycles])


def pooled(found: Iterable[tuple[Cycle, Array]]) -> Score:
    """The score of errors (n,) over cycles. Raises InputError where no sample has an answer."""
    pairs = list(found)
    if not sum(int(np.isfinite(error).sum()) for _, error in pairs):
        raise InputError("cycles", len(pairs), "hold no answered sample", "give other data")
    everything = np.concatenate([error for _, error in pairs])
    cold = np.concatenate([np.cumsum(cycle.dt_s) < COLD_START_S for cycle, _ in pairs])
    known = np.isfinite(everything)
    good = everything[known]
    return Score(
        rmse=_rms(good),
        mae=float(np.abs(good).mean()),
        bias=float(good.mean()),
        max_error=float(np.abs(everything[known & ~cold]).max(initial=0.0)),
        first_60_s=_rms(everything[known & cold]),
        by_degc=_grouped([(f"{cycle.ambient_degc:g}", error) for cycle, error in pairs]),
        by_profile=_grouped([(cycle.profile, error) for cycle, error in pairs]),
        samples=len(good),
        unknown=int((~known).sum()),
    )


def compare(programs: Mapping[str, Program], cycles: Sequence[Cycle]) -> dict[str, Score]:
    """Every program's score over the same cycles, by name."""
    return {name: score(program, cycles) for name, program in programs.items()}


def _grouped(parts: Iterable[tuple[str, Array]]) -> dict[str, float]:
    groups: dict[str, list[Array]] = {}
    for name, error in parts:
        groups.setdefault(name, []).append(error[np.isfinite(error)])
    return {name: _rms(np.concatenate(group)) for name, group in sorted(groups.items(), key=_order)}


def _order(item: tuple[str, list[Array]]) -> tuple[float, str]:
    """Temperatures as numbers, then names."""
    try:
        return float(item[0]), ""
    except ValueError:
        return math.inf, item[0]


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else math.nan
