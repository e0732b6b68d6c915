"""``evitals evaluate`` and ``evitals compare``: finished jobs scored over whole cycles."""

from pathlib import Path

import rich_click as click

from evitals.commands.common import json_option, print_json

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


def _data_options(function: click.decorators.FC) -> click.decorators.FC:
    """``--on``, ``--folder`` and ``--profile``: what is scored."""
    function = click.option(
        "--profile", "profiles", multiple=True,
        help="Score these drive cycles only; may be given again.",
    )(function)  # fmt: skip
    function = click.option(
        "--folder", type=FOLDER, help="Where the data lie [default: the folder of the job's data]."
    )(function)
    return click.option(
        "--on",
        type=click.Choice(["lg_18650hg2", "panasonic_18650pf", "files"]),
        help="The data set, or the CSV and Parquet files of --folder [default: the job's].",
    )(function)


@click.command()
@click.argument("job", type=FOLDER)
@_data_options
@json_option
def evaluate(
    job: Path, on: str | None, folder: Path | None, profiles: tuple[str, ...], as_json: bool
) -> None:
    """Score a job's model on data, streaming, beside the baseline fitted to its training data.

    By default on the test side of its configuration. No measured voltage is fed back.
    """
    from evitals.commands.scores import print_scores
    from evitals.models.scoring import Asked, evaluate_job

    found = evaluate_job(job, Asked(on, folder, profiles))
    if as_json:
        print_json(found)
        return
    for finding in found.findings:
        click.echo(finding)
    print_scores(f"{job.name} on {', '.join(found.profiles)}", found.scores, found.unit)


@click.command()
@click.argument("jobs", type=FOLDER, nargs=-1, required=True)
@_data_options
@json_option
def compare(
    jobs: tuple[Path, ...],
    on: str | None,
    folder: Path | None,
    profiles: tuple[str, ...],
    as_json: bool,
) -> None:
    """Score several jobs' models on the same data, beside the baseline of the first."""
    from evitals.commands.scores import print_scores
    from evitals.models.scoring import Asked, compare_jobs

    found = compare_jobs(jobs, Asked(on, folder, profiles))
    if as_json:
        print_json(found)
        return
    for finding in found.findings:
        click.echo(finding)
    print_scores(f"On {', '.join(found.profiles)}", found.scores, found.unit)
