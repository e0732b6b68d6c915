"""Running a recipe: a test's columns to stretches, disturbed copies and the steps' columns.

Each function does one stage, in the recipe's order: ``stretches`` (checks, gaps, resampling),
``disturbed`` (training data only; ``evitals.models.prepared`` holds it), ``apply`` (the causal
steps) and ``Stream``, the same steps sample by sample.
"""

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.models.filters import integral
from evitals.models.recipe import Recipe, counted_over
from evitals.models.steps import EVEN, Column, Step

Array = NDArray[np.float64]
Columns = Mapping[str, Array]

LEAST_ROWS = 10


@dataclass(frozen=True, slots=True)
class Stretch:
    """A gap-free part of a test on the recipe's time grid: ``columns`` of one length (n,)."""

    columns: dict[str, Array]
    assumed: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.columns["time_s"])


def stretches(recipe: Recipe, columns: Columns, label: str = "test") -> list[Stretch]:
    """The test's gap-free stretches, resampled, with only the columns the recipe reads.

    Raises InputError naming ``label``: columns that are absent (and not assumed) or not finite,
    times that do not increase, gaps (unless they split), and stretches too short.
    """
    time_s = _times(columns, label)
    taken, assumed = _taken(recipe, columns, label)
    gaps = np.flatnonzero(np.diff(time_s) > recipe.max_gap_s)
    if len(gaps) and recipe.on_gap == "refuse":
        first = int(gaps[0])
        raise InputError(
            f"{label}.time_s",
            f"{time_s[first + 1] - time_s[first]:.6g} s",
            f"passes after row {first}: {len(gaps)} gaps longer than {recipe.max_gap_s:g} s",
            'leave the test out, or set on_gap = "split"',
            reason="gap",
        )
    edges = [0, *(gaps + 1).tolist(), len(time_s)]
    found = []
    for first, last in pairwise(edges):
        # Where the test is split, what is too short to use is dropped; whole, it is refused.
        if _long_enough(recipe, time_s[first:last]):
            piece = {name: values[first:last] for name, values in taken.items()}
            found.append(Stretch(_resampled(recipe, time_s[first:last], piece), assumed))
    if not found:
        raise InputError(
            f"{label}.time_s",
            f"{time_s[-1] - time_s[0]:.6g} s",
            f"is shorter than the {recipe.least_s:g} s (and {LEAST_ROWS} samples) "
            "that the steps remember",
            "leave the test out, or shorten the filters or shortest_s",
            reason="too_short",
        )
    return found


def apply(recipe: Recipe, columns: Columns, label: str = "test") -> dict[str, Array]:
    """The steps over one gap-free stretch: ``columns`` (n,) and what the steps make.

    Nothing is resampled or disturbed here. Raises InputError as a formula does.
    """
    made = dict(columns)
    for index, step in enumerate(recipe.steps):
        try:
            made[step.output] = _applied(step, made)
        except InputError as error:
            field = f"{label}, steps[{index}] {step.output}"
            said = step.formula if isinstance(step, Column) else step.column
            raise InputError(
                field, said, error.problem, error.remedy, reason=error.reason
            ) from error
    return made


def disturbed(recipe: Recipe, columns: Columns, digest: str, copy: int) -> dict[str, Array]:
    """A stretch with sensor errors; ``time_s`` and the target stay true.

    The draw depends on the recipe's seed, the test's ``digest`` and the number of the ``copy``
    alone, so neither the order of the files nor their number changes it.
    """
    out = dict(columns)
    time_s = columns["time_s"]
    for index, disturbance in enumerate(recipe.disturb):
        key = f"{recipe.seed}/{digest}/{copy}/{index}".encode()
        seed = int.from_bytes(hashlib.sha256(key).digest()[:16], "little")
        error = disturbance.error(time_s, columns[disturbance.column], np.random.default_rng(seed))
        out[disturbance.column] = out[disturbance.column] + error
        if capacity := counted_over(disturbance):
            out["soc"] = out["soc"] + integral(time_s, error) / 3600.0 / capacity
    return out


class Stream:
    """The recipe's steps sample by sample, as a BMS runs them: equal to ``apply`` over the whole.

    A pause longer than ``max_gap_s`` resets the filters.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._filters = [
            None if isinstance(step, Column) else step.filter() for step in recipe.steps
        ]
        self.reset()

    def reset(self) -> None:
        """Forget every sample."""
        self._time: float | None = None
        for one in self._filters:
            if one is not None:
                one.reset()

    def step(self, time_s: float, sample: Mapping[str, float]) -> dict[str, float]:
        """The sample with what the steps make of it.

        Raises InputError where time does not increase, or a formula has no value.
        """
        if self._time is not None:
            if time_s <= self._time:
                raise InputError("time_s", time_s, f"does not follow {self._time}", "send it once")
            if time_s - self._time > self.recipe.max_gap_s:
                self.reset()
        self._time = time_s
        made = {"time_s": time_s, **sample}
        for step, one in zip(self.recipe.steps, self._filters, strict=True):
            if one is None:
                made[step.output] = float(step.compiled.evaluate(made))  # type: ignore[union-attr]
            else:
                made[step.output] = one.step(time_s, made[step.reads[0]])
        return made


def check_rates(recipe: Recipe, rates_s: Mapping[str, float]) -> None:
    """Raises InputError where tests (label: median interval, s) differ in rate, not resampled."""
    if recipe.resample is not None or not rates_s:
        return
    slow, fast = max(rates_s, key=rates_s.__getitem__), min(rates_s, key=rates_s.__getitem__)
    if rates_s[slow] > rates_s[fast] * (1.0 + EVEN):
        raise InputError(
            "resample",
            None,
            f"leaves different rates mixed: {fast} every {rates_s[fast]:.4g} s, "
            f"{slow} every {rates_s[slow]:.4g} s",
            f"resample to {rates_s[slow]:.4g} s or slower",
            reason="mixed_rates",
        )


def _applied(step: Step, columns: dict[str, Array]) -> Array:
    if isinstance(step, Column):
        return step.compiled.evaluate(columns)
    return step.filter().run(columns["time_s"], columns[step.column])


def _times(columns: Columns, label: str) -> Array:
    time_s = np.asarray(columns["time_s"], dtype=np.float64)
    if len(time_s) < LEAST_ROWS:
        raise InputError(
            label,
            f"{len(time_s)} samples",
            "are too few to learn from",
            f"give {LEAST_ROWS} or more",
            reason="too_short",
        )
    steps = np.diff(time_s)
    if not (steps > 0.0).all():  # NaN is caught too
        row = int(np.argmin(steps > 0.0)) + 1
        raise InputError(
            f"{label}.time_s",
            float(time_s[row]),
            f"does not increase in row {row}",
            "drop repeated samples; `evitals doctor` lists them",
            reason="time_order",
        )
    return time_s


def _taken(
    recipe: Recipe, columns: Columns, label: str
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The measured columns a recipe reads, and which of them it assumed."""
    constants = {a.column: a.value for a in recipe.assume}
    taken, assumed = {}, []
    for name in recipe.measured:
        values = columns.get(name)
        if values is None or np.isnan(values).all():
            if name not in constants:
                raise _absent(name, columns, label, there=values is not None)
            assumed.append(name)
            values = np.full(len(columns["time_s"]), constants[name])
        bad = ~np.isfinite(values)
        if bad.any():
            raise InputError(
                f"{label}.{name}",
                f"{int(bad.sum())} of {len(bad)} samples",
                f"are missing, first in row {int(np.argmax(bad))}",
                "leave the test out or cut it there: nothing is filled in",
                reason="missing_values",
            )
        taken[name] = np.asarray(values, dtype=np.float64)
    return taken, tuple(assumed)


def _absent(name: str, columns: Columns, label: str, *, there: bool) -> InputError:
    near = [] if there else difflib.get_close_matches(name, list(columns), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return InputError(
        f"{label}.{name}",
        sorted(columns),
        "holds no value of it" if there else "has no such column",
        f"{hint}leave the test out, or state a constant under [[assume]]",
        reason="missing_column",
    )


def _long_enough(recipe: Recipe, time_s: Array) -> bool:
    rows = len(time_s)
    if recipe.resample is not None and rows:
        rows = min(rows, int((time_s[-1] - time_s[0]) / recipe.resample.step_s))
    return rows >= LEAST_ROWS and float(time_s[-1] - time_s[0]) >= recipe.least_s


def _resampled(recipe: Recipe, time_s: Array, columns: dict[str, Array]) -> dict[str, Array]:
    if recipe.resample is None:
        return {"time_s": time_s, **columns}
    recipe.resample.check(time_s)
    grid = recipe.resample.grid(time_s)
    made = {name: recipe.resample.run(time_s, values, grid) for name, values in columns.items()}
    return {"time_s": grid, **made}
