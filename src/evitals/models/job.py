"""A training job: a folder that holds everything it was made of and everything it gives.

``job_YYYYMMDD-HHMMSS/`` (UTC). From its start: ``config.toml``, ``data.json`` (recipe, split and
digests of all data), ``environment.json``, ``training_progress.csv``, ``checkpoints/``. At its end
the model as torch weights and as a program, its scaler, scores and instructions. A job that was
stopped or killed goes on where it was.
"""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from evitals.errors import InputError
from evitals.estimators.program.program import Program
from evitals.models import instructions
from evitals.models.baseline import NEEDED, fit_static
from evitals.models.bundling import pack_job
from evitals.models.config import Config, dump_config, load_config, to_tree
from evitals.models.cycles import Cycle, Sides, load_sides
from evitals.models.evaluate import Score, compare
from evitals.models.export import write_export
from evitals.models.layout import (
    BUNDLE,
    CHECKPOINTS,
    CONFIG,
    EXPORT,
    INSTRUCTIONS,
    METRICS,
    MODEL,
    PROGRAM,
    PROGRESS,
    STATIC,
    WEIGHTS,
)
from evitals.models.networks import Scalings, front_of, to_program
from evitals.models.prepared import Record, dump_record
from evitals.models.programs import write_program
from evitals.models.progress import Progress
from evitals.models.training import Epoch, Run, Stop, Trainer, read_checkpoint, save

PACKAGES = ("evitals", "torch", "numpy", "scipy", "polars", "msgspec")

Say = Callable[[Epoch], None]


@dataclass(slots=True)
class Result:
    """What a job came to: its runs in order, the chosen one, and scores on the test side (model
    and baselines by name; empty without a test side)."""

    folder: Path
    runs: list[Run]
    chosen: Run
    program: Program
    scores: dict[str, Score]


class Interrupted(Exception):
    """The job was stopped between two updates; its folder goes on with ``run``."""


class _Plan(msgspec.Struct, frozen=True):
    phase: str
    seed: int
    epochs: int | None = None


def start(config: Config, where: Path) -> Path:
    """A new job's folder with its configuration. Raises InputError where it cannot be made."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    try:
        for attempt in range(100):
            # Jobs of the same second are told apart.
            folder = where / (f"job_{stamp}" + (f"-{attempt}" if attempt else ""))
            if not folder.exists():
                folder.mkdir(parents=True)
                (folder / CONFIG).write_text(dump_config(config), encoding="utf-8")
                return folder
    except OSError as error:
        raise _unwritable(where, error) from error
    raise InputError("jobs", str(where), "has a hundred jobs of this second", "wait a second")


def run(folder: Path, say: Say, stop: Stop) -> Result:
    """Train the job in ``folder`` from where it stands, score it and write its files.

    Raises Interrupted where ``stop`` became true; InputError for a configuration or data that
    cannot be used, for a full disk, and where every run diverged.
    """
    config = load_config(folder / CONFIG)
    sides = load_sides(config)
    try:
        (folder / "data.json").write_bytes(msgspec.json.format(dump_record(sides.record), indent=1))
        _write_json(folder / "environment.json", environment(config))
        runs, trainers = _train(config, sides, folder, say, stop)
        chosen = trainers[runs.index(_best(runs))]
        program = to_program(config, chosen.network, chosen.scalings)
        scores = _scores(config, sides, program)
        result = Result(folder, runs, _best(runs), program, scores)
        _write(config, sides.record, chosen, result)
        _write_bundle(config, sides.record, result)
        for checkpoint in (folder / CHECKPOINTS).glob("*"):
            checkpoint.unlink()
        (folder / CHECKPOINTS).rmdir()
    except OSError as error:
        raise _unwritable(folder, error) from error
    return result


def environment(config: Config) -> dict[str, Any]:
    """What the job runs on: it decides the last digits."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": config.training.threads,
        "packages": {name: _version(name) for name in PACKAGES},
    }


def load_metrics(folder: Path) -> dict[str, Any]:
    """The scores of a finished job. Raises InputError where there are none."""
    try:
        found: dict[str, Any] = msgspec.json.decode((folder / METRICS).read_bytes(), type=dict)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(
            "job", str(folder), f"holds no {METRICS}", "give the folder of a finished job"
        ) from error
    return found


def _train(
    config: Config, sides: Sides, folder: Path, say: Say, stop: Stop
) -> tuple[list[Run], list[Trainer]]:
    """Every seed, and the refit of the best where it is asked for; each from its checkpoint."""
    runs: list[Run] = []
    trainers: list[Trainer] = []
    plans = [_Plan("train", seed) for seed in config.seeds]
    (folder / CHECKPOINTS).mkdir(exist_ok=True)
    degrees = sorted({cycle.ambient_degc for cycle in sides.validate})
    with Progress(folder / PROGRESS, degrees) as progress:

        def watch(epoch: Epoch) -> None:
            progress.write(epoch)
            say(epoch)

        while plans:
            plan = plans.pop(0)
            trainer = _trainer(config, sides, plan)
            checkpoint = folder / CHECKPOINTS / f"{plan.phase}_{plan.seed}.pt"
            if checkpoint.exists():
                trainer.restore(read_checkpoint(checkpoint))
                progress.forget(plan.phase, plan.seed, trainer.done)
            left = 60.0 * config.training.minutes - sum(run.seconds for run in runs)
            ended = trainer.run(left, watch, stop, checkpoint)
            if ended.outcome == "interrupted":
                raise Interrupted(str(folder))
            save(checkpoint, trainer.state())
            runs.append(ended)
            trainers.append(trainer)
            if not plans and plan.phase == "train" and config.training.refit:
                best = _best(runs)
                plans.append(_Plan("refit", best.seed, best.best_epoch))
    return runs, trainers


def _trainer(config: Config, sides: Sides, plan: _Plan) -> Trainer:
    train: Sequence[Cycle] = sides.train
    validate: Sequence[Cycle] = sides.validate
    if plan.phase == "refit":
        train, validate = (*sides.train, *sides.validate), ()
    return Trainer(config, train, validate, plan.seed, epochs=plan.epochs, phase=plan.phase)


def _best(runs: Sequence[Run]) -> Run:
    """The refit; else the best validation error, without validation the least final loss.

    Raises InputError where no run has weights.
    """
    usable = [run for run in runs if run.weights]
    if not usable:
        raise InputError(
            "training",
            runs[0].outcome,
            f"{runs[0].explanation}; it left no usable weights",
            "train again with that changed",
            reason="diverged",
        )
    refits = [run for run in usable if run.phase == "refit" and run.outcome == "finished"]
    measured = [run for run in usable if run.phase == "train"]
    return (refits or sorted(measured, key=_rank))[0]


def _rank(run: Run) -> float:
    return run.best_loss if run.best_rmse is None else run.best_rmse


def _scores(config: Config, sides: Sides, program: Program) -> dict[str, Score]:
    if not sides.test:
        return {}
    programs = {MODEL: program}
    if config.target == "voltage_v" and set(NEEDED) <= set(config.inputs):
        measured = [cycle for cycle in (*sides.train, *sides.validate) if cycle.copy == 0]
        programs[STATIC] = fit_static(measured)
    return compare(programs, sides.test)


def _write(config: Config, record: Record, trainer: Trainer, result: Result) -> None:
    folder, network, scalings = result.folder, trainer.network, trainer.scalings
    sample = {name: 0.5 * (low + high) for name, (low, high) in scalings.ranges.items()}
    columns = front_of(config).columns
    runs = [_summary(run) for run in result.runs]
    digests = {
        role: [member.digest for member in members]
        for role, members in (
            ("training", record.split.training),
            ("validation", record.split.validation),
        )
    }
    scores = msgspec.to_builtins(result.scores)
    save(folder / WEIGHTS, network.state_dict())
    more = {"program": result.program.digest(), "data": digests, "scores": scores}
    write_export(folder / EXPORT, config, network, scalings, more)
    write_program(folder / PROGRAM, result.program)
    _write_scaler(folder / "scalers", scalings)
    text = instructions.write(config, columns, sample)
    (folder / INSTRUCTIONS).write_text(text, encoding="utf-8")
    hyper = {
        "config": to_tree(config),
        "parameters": network.parameters_count,
        "state": result.program.state_size,
        "runs": runs,
        "chosen": _summary(result.chosen),
    }
    _write_json(folder / "hyperparams.json", hyper)
    _write_json(
        folder / METRICS,
        {
            "program": result.program.digest(),
            "kind": config.kind,
            "parameters": network.parameters_count,
            "unit": result.program.output.unit,
            "scored_on": [cycle.profile for cycle in record.split.test],
            "scores": scores,
        },
    )


def _write_bundle(config: Config, record: Record, result: Result) -> None:
    """The bundle, where the cell's chemistry is known and onnx is there to draw its graph."""
    if find_spec("onnx") is None or config.data.set == "files":
        return
    (result.folder / BUNDLE).write_bytes(pack_job(result.folder, record, result.scores))


def _write_scaler(folder: Path, scalings: Scalings) -> None:
    """What the training data were scaled by; inside the model already, here to be looked at."""
    folder.mkdir(exist_ok=True)
    both = {"inputs": scalings.seen, "target": scalings.target}
    _write_json(folder / "augmentation_scaler.json", msgspec.to_builtins(both))
    lines = ["Fitted on training data only; scaled = (value - offset) / scale.", ""]
    for side, scaling in both.items():
        lines.append(f"{side} ({scaling.kind})")
        for name, offset, scale in zip(scaling.columns, scaling.offset, scaling.scale, strict=True):
            lines.append(f"  {name:24s} offset {offset:14.6g}  scale {scale:14.6g}")
    lines += ["", "range of the training data"]
    lines += [f"  {n:24s} {low:.6g} .. {high:.6g}" for n, (low, high) in scalings.ranges.items()]
    path = folder / "augmentation_scaler_statistics.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _summary(run: Run) -> dict[str, Any]:
    names = (
        "phase", "seed", "outcome", "explanation", "best_epoch", "best_rmse", "best_loss",
        "seconds",
    )  # fmt: skip
    return {name: getattr(run, name) for name in names}


def _write_json(path: Path, tree: Any) -> None:
    # NaN (no first minute, no such group) is JSON's null.
    path.write_bytes(msgspec.json.format(msgspec.json.encode(tree), indent=1))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _unwritable(where: Path, error: OSError) -> InputError:
    return InputError(
        "job",
        str(where),
        f"cannot be written: {error.strerror or error}",
        "make room; `evitals train --resume FOLDER` goes on from its last whole epoch",
        reason="job_unwritable",
    )
