"""Finished jobs scored on data: the test side of their configuration, or other data.

Needs no torch: a job's model is its program.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from evitals.errors import InputError
from evitals.estimators.program.program import Program
from evitals.models.baseline import NEEDED, fit_static
from evitals.models.config import Config, load_config, nearest
from evitals.models.cycles import Cycle, load_scored, load_sides, load_tests
from evitals.models.evaluate import Score, compare
from evitals.models.layout import CONFIG, MODEL, PROGRAM, STATIC
from evitals.models.programs import read_program

OUTSIDE_SHARE, MARGIN = 0.01, 0.05
"""More samples than this share, further outside an input's range than this share of its width: the
data are not of the model's domain."""


class Asked(Struct, frozen=True):
    """What is scored; None and () mean as the job's configuration says."""

    on: str | None = None
    folder: Path | None = None
    profiles: tuple[str, ...] = ()


class Scores(Struct, frozen=True):
    """Scores by name over the same cycles, and what to know of them."""

    scores: dict[str, Score]
    unit: str
    profiles: tuple[str, ...]
    findings: tuple[str, ...] = ()


def evaluate_job(folder: Path, asked: Asked) -> Scores:
    """A job's model beside the static table fitted to its training data.

    Raises InputError where the job has no model, or the data cannot be used.
    """
    return _scored({MODEL: folder}, asked)


def compare_jobs(folders: Sequence[Path], asked: Asked) -> Scores:
    """Several jobs' models on the data of the first (or as asked), with its static table.

    Raises InputError as ``evaluate_job`` does, and for models of different targets.
    """
    return _scored({folder.name or str(folder): folder for folder in folders}, asked)


def _scored(jobs: dict[str, Path], asked: Asked) -> Scores:
    programs = {name: read_program(folder / PROGRAM) for name, folder in jobs.items()}
    targets = {program.output.name for program in programs.values()}
    if len(targets) > 1:
        raise InputError("jobs", sorted(targets), "are different targets", "compare one target")
    config = load_config(next(iter(jobs.values())) / CONFIG)
    cycles = _cycles(config, asked, programs)
    findings = [
        text for name, program in programs.items() for text in _outside(name, program, cycles)
    ]
    static = _static(config)
    if static is not None:
        programs[STATIC] = static
    return Scores(
        compare(programs, cycles),
        next(iter(programs.values())).output.unit,
        tuple(sorted({cycle.profile for cycle in cycles})),
        tuple(findings),
    )


def _cycles(config: Config, asked: Asked, programs: dict[str, Program]) -> list[Cycle]:
    data = config.data
    if asked.on is not None or asked.folder is not None:
        data = replace(data, set=asked.on or data.set, folder=str(asked.folder or data.folder))
    same = data == config.data
    profiles = asked.profiles or (config.split.test if same else ())
    if same and config.split.by != "profile" and not asked.profiles:
        return list(load_sides(config).test)
    inputs = {signal.name for program in programs.values() for signal in program.inputs}
    recipe = replace(config.recipe, inputs=(*config.inputs, *sorted(inputs - {*config.inputs})))
    tests = load_tests(data, profiles or None)
    known = {one.profile for one in tests}
    for profile in profiles:
        if profile not in known:
            raise InputError(
                "profile", profile, f"is no profile of {data.set}", nearest(profile, known)
            )
    if same and not profiles:
        raise InputError(
            "split.test",
            (),
            "is empty in this job",
            "name what to score: --profile, --on, --folder",
        )
    return load_scored(recipe, tests)


def _static(config: Config) -> Program | None:
    """The baseline of the job's training and validation data, where these can be read."""
    if config.target != "voltage_v" or not set(NEEDED) <= set(config.inputs):
        return None
    try:
        sides = load_sides(config)
    except InputError:
        # The training data may lie elsewhere by now; the model is scored all the same.
        return None
    return fit_static([c for c in (*sides.train, *sides.validate) if c.copy == 0])


def _outside(name: str, program: Program, cycles: Sequence[Cycle]) -> list[str]:
    """Inputs that leave the range the model was trained on: another cell, or another use."""
    told = []
    for signal in program.inputs:
        values = np.concatenate([cycle.columns[signal.name] for cycle in cycles])
        margin = MARGIN * (signal.high - signal.low)
        inside = (values >= signal.low - margin) & (values <= signal.high + margin)
        out = 1.0 - float(np.mean(inside))
        if out > OUTSIDE_SHARE:
            told.append(
                f"{name}: {out:.0%} of {signal.name} lies outside {signal.low:g} .. "
                f"{signal.high:g} {signal.unit}, where the model was trained: another domain"
            )
    return told
