"""A recipe: preprocessing as data, the same for training, replay and (causal parts) the BMS.

The order is fixed: resample, disturb (training data only), steps in their order, inputs. A recipe
is read from TOML or JSON, known by its digest, and gives the same output for the same input.
"""

import difflib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from evitals.errors import InputError
from evitals.models.scaling import Kind
from evitals.models.steps import (
    Assume,
    Column,
    Disturbance,
    Drift,
    Ema,
    Gain,
    MovingMean,
    Name,
    Noise,
    Offset,
    Resample,
    Seconds,
    Step,
)

LEAST_S = 60.0
"""No stretch shorter than this is worth learning from, whatever the filters."""
MAX_BYTES = 256 * 1024
_STRUCTS = (Resample, Assume, Ema, MovingMean, Column, Noise, Offset, Gain, Drift)


class Recipe(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Preprocessing from a test's columns to a model's ``inputs`` and ``target``.

    ``assume``: constants for columns a test lacks. ``disturb``: sensor errors, training data
    only. ``max_gap_s``: a longer pause is a gap; ``on_gap`` refuses it or splits the test there.
    ``shortest_s``: a shorter stretch is refused (default: the longest memory of the steps, 60 s at
    least). ``scaling``: fitted on training data, folded into the model.
    """

    inputs: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=64)]
    target: Name = "voltage_v"
    resample: Resample | None = None
    assume: Annotated[tuple[Assume, ...], Meta(max_length=8)] = ()
    disturb: Annotated[tuple[Disturbance, ...], Meta(max_length=16)] = ()
    steps: Annotated[tuple[Step, ...], Meta(max_length=64)] = ()
    scaling: Kind = "standard"
    max_gap_s: Seconds = 5.0
    on_gap: Literal["refuse", "split"] = "refuse"
    shortest_s: Seconds | None = None
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    version: Literal[1] = 1

    def __post_init__(self) -> None:
        _check_names(self)
        _check_feedback(self)
        _check_disturbances(self)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the recipe's content; layout and order of a file's keys are nothing."""
        return hashlib.sha256(dump_recipe(self)).hexdigest()

    @property
    def made(self) -> tuple[str, ...]:
        """The columns its steps make."""
        return tuple(step.output for step in self.steps)

    @property
    def measured(self) -> tuple[str, ...]:
        """The columns a test must have, besides ``time_s``."""
        read = [self.target, *(c for step in self.steps for c in step.reads), *self.inputs]
        read += [d.column for d in self.disturb]
        if any(counted_over(d) for d in self.disturb):
            read.append("soc")
        return tuple(c for c in dict.fromkeys(read) if c not in {*self.made, "time_s"})

    @property
    def least_s(self) -> float:
        """The shortest stretch it takes, s."""
        if self.shortest_s is not None:
            return self.shortest_s
        return max([LEAST_S, *(step.memory_s for step in self.steps)])


def load_recipe(source: Path | bytes, name: str = "recipe.toml") -> Recipe:
    """The recipe in a TOML or JSON file (bytes are told apart by ``name``).

    Raises InputError naming the field, what is wrong with it and the nearest field's name.
    """
    name = source.name if isinstance(source, Path) else name
    text = source.read_bytes() if isinstance(source, Path) else source
    if len(text) > MAX_BYTES:
        raise InputError(name, f"{len(text)} bytes", "is too large", f"use at most {MAX_BYTES}")
    decode = msgspec.json.decode if name.endswith(".json") else msgspec.toml.decode
    try:
        return decode(text, type=Recipe)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, _, place = str(error).partition(" - at `$")
        raise InputError(
            place.strip("`.") or "recipe",
            name,
            f"is no recipe: {problem}",
            f"{_near_field(problem)}see docs/recipe.md for the fields",
            reason="bad_recipe",
        ) from error


def dump_recipe(recipe: Recipe) -> bytes:
    """The recipe as canonical JSON: what its digest is of. Raises InputError out of bounds."""
    # Decoded once, 30 and 30.0 are one recipe, and one built in Python is held to its bounds.
    again = load_recipe(msgspec.json.encode(recipe), "recipe.json")
    return msgspec.json.encode(again, order="deterministic")


def counted_over(disturbance: Disturbance) -> float | None:
    """The capacity (Ah) over which a counter adds this error into ``soc``, if it does."""
    return None if isinstance(disturbance, Noise) else disturbance.counts_ah


def _check_names(recipe: Recipe) -> None:
    known: set[str] = {"time_s"}
    for index, step in enumerate(recipe.steps):
        if step.output in known or step.output in recipe.made[:index]:
            raise _bad(f"steps[{index}].output", step.output, "is taken", "choose another name")
        later = [name for name in step.reads if name in recipe.made[index:]]
        if later:
            raise _bad(
                f"steps[{index}]", step.output, f"reads {later[0]} before it is made", "reorder"
            )
    if len(set(recipe.inputs)) != len(recipe.inputs) or "time_s" in recipe.inputs:
        raise _bad(
            "inputs", recipe.inputs, "repeat a column or name time_s", "name each input once"
        )
    unused = [a.column for a in recipe.assume if a.column not in recipe.measured]
    if unused or recipe.target in {a.column for a in recipe.assume}:
        raise _bad(
            "assume", unused or recipe.target, "is the target or read by no step", "leave it out"
        )


def _check_feedback(recipe: Recipe) -> None:
    """The target must not reach an input: no measured voltage is fed back."""
    reached = {recipe.target}
    for step in recipe.steps:
        if reached.intersection(step.reads):
            reached.add(step.output)
    fed = [name for name in recipe.inputs if name in reached]
    if fed:
        raise _bad(
            "inputs",
            fed[0],
            f"is made of the target {recipe.target}: the model would see its answer",
            "use other columns",
        )
    if recipe.target in recipe.made:
        raise _bad("target", recipe.target, "is made by a step", "learn a measured column")


def _check_disturbances(recipe: Recipe) -> None:
    for index, one in enumerate(recipe.disturb):
        counted = "soc" if counted_over(one) else None
        if recipe.target in (one.column, counted):
            raise _bad(
                f"disturb[{index}].column",
                one.column,
                "disturbs the target, which is the truth",
                "disturb inputs only",
            )
        if {one.column, counted} & {*recipe.made, "time_s"}:
            raise _bad(
                f"disturb[{index}].column", one.column, "is not measured", "disturb what it is of"
            )
        if counted and one.column != "current_a":
            raise _bad(f"disturb[{index}].counts_ah", one.column, "is not counted", "use current_a")


def _bad(field: str, value: object, problem: str, remedy: str) -> InputError:
    return InputError(field, value, problem, remedy, reason="bad_recipe")


def _near_field(problem: str) -> str:
    """The nearest field's name where a message complains of an unknown one."""
    start = problem.find("unknown field `")
    if start < 0:
        return ""
    name = problem[start + 15 :].rstrip("`")
    near = difflib.get_close_matches(name, list(_fields()), n=1, cutoff=0.5)
    return f"did you mean {near[0]}? " if near else ""


def _fields() -> Iterator[str]:
    structs: Iterable[type[Struct]] = (Recipe, *_STRUCTS)
    for struct in structs:
        yield from (field.encode_name for field in msgspec.structs.fields(struct))
