"""``evitals train``: a model from a configuration, or a stopped job taken up again."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from evitals.commands.common import json_option, print_json, print_table

if TYPE_CHECKING:
    from evitals.models.job import Result
    from evitals.models.training import Epoch

EVERY_S = 2.0
"""Where no terminal is, a line is printed this often at most."""


@click.command()
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE",
    help="Override a setting, as training.epochs=20; may be given again.",
)  # fmt: skip
@click.option(
    "--to", "where", type=click.Path(path_type=Path, file_okay=False), default="jobs",
    show_default=True, help="Folder in which the job's folder is made.",
)  # fmt: skip
@click.option(
    "--resume", type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Take up this job's folder where it stopped.",
)  # fmt: skip
@json_option
def train(
    config: Path | None,
    overrides: tuple[str, ...],
    where: Path,
    resume: Path | None,
    as_json: bool,
) -> None:
    """Train a model as CONFIG (TOML) says; every file of it lies in job_YYYYMMDD-HHMMSS/.

    Ctrl-C stops it between two updates; --resume goes on to the same weights.
    """
    _require_torch()
    from evitals.models import job

    folder = _folder(config, overrides, where, resume)
    click.echo(f"{folder}", err=True)
    try:
        with _stopping() as stop, _watching() as say:
            result = job.run(folder, say, stop)
    except job.Interrupted:
        raise click.ClickException(
            f"stopped; go on with: evitals train --resume {folder}"
        ) from None
    if as_json:
        print_json(_as_tree(result))
    else:
        _print(result)
    if result.chosen.outcome == "diverged":
        raise click.ClickException(
            f"training diverged {result.chosen.explanation}; "
            f"the files hold the best epoch before ({result.chosen.best_epoch})"
        )


def _folder(
    config: Path | None, overrides: tuple[str, ...], where: Path, resume: Path | None
) -> Path:
    from evitals.models import job
    from evitals.models.config import load_config

    if resume is not None:
        if config is not None or overrides:
            raise click.UsageError("--resume takes the job's own configuration and no other")
        return resume
    if config is None:
        raise click.UsageError("give a CONFIG, or --resume FOLDER")
    return job.start(load_config(config, overrides), where)


def _require_torch() -> None:
    from importlib.util import find_spec

    from evitals.errors import MissingExtra

    if find_spec("torch") is None:
        raise MissingExtra("train")


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """A function that is true after the first Ctrl-C (or SIGTERM); a second one ends at once."""
    asked: list[int] = []

    def ask(number: int, _: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        click.echo("stopping (again to end at once)", err=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _watching() -> "Iterator[Callable[[Epoch], None]]":
    """What tells of each epoch: a live bar at a terminal, else a line every few seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    if not sys.stderr.isatty():
        yield _lines()
        return
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}")
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[tuple[str, int], Any] = {}

        def say(epoch: "Epoch") -> None:
            key = (epoch.phase, epoch.seed)
            if key not in tasks:
                name = f"{epoch.phase} seed {epoch.seed}"
                tasks[key] = bar.add_task(name, total=epoch.epochs, told="")
            bar.update(tasks[key], completed=epoch.epoch, told=_told(epoch))

        yield say


def _lines() -> "Callable[[Epoch], None]":
    last = [-EVERY_S]

    def say(epoch: "Epoch") -> None:
        if epoch.epoch == epoch.epochs or not 0.0 <= epoch.seconds - last[0] < EVERY_S:
            last[0] = epoch.seconds
            click.echo(f"{epoch.phase} seed {epoch.seed} {_told(epoch)}", err=True)

    return say


def _told(epoch: "Epoch") -> str:
    """Epoch, loss, validation error by temperature (thousandths: mV), time left."""
    text = f"epoch {epoch.epoch}/{epoch.epochs}  loss {epoch.loss:.2e}"
    if epoch.rmse is not None:
        by_degc = " ".join(f"{d:g}: {1e3 * e:.1f}" for d, e in epoch.by_degc.items())
        text += f"  validation {1e3 * epoch.rmse:.2f} m ({by_degc})"
    return f"{text}  {epoch.left_s:.0f} s left"


def _print(result: "Result") -> None:
    from evitals.commands.scores import print_scores

    print_table(
        "Runs",
        ["run", "outcome", "best epoch", "validation", "seconds"],
        [
            (
                f"{run.phase} seed {run.seed}",
                f"{run.outcome} {run.explanation}",
                run.best_epoch,
                None if run.best_rmse is None else f"{1e3 * run.best_rmse:.2f} m",
                f"{run.seconds:.0f}",
            )
            for run in result.runs
        ],
    )
    if result.scores:
        print_scores("Test side, never selected on", result.scores, result.program.output.unit)
    click.echo(f"{result.program.parameters} numbers in {result.folder}")


def _as_tree(result: "Result") -> dict[str, Any]:
    from evitals.models.job import load_metrics

    return {
        "folder": str(result.folder),
        "outcome": result.chosen.outcome,
        "best_epoch": result.chosen.best_epoch,
        "seconds": sum(run.seconds for run in result.runs),
        **load_metrics(result.folder),
    }
