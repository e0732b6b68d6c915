"""A finished job's model as a bundle (unsigned: whoever releases it signs it)."""

import hashlib
from pathlib import Path

from evitals.cells.measurements import CAMPAIGNS
from evitals.errors import InputError
from evitals.estimators.program.program import STEP_TOLERANCE
from evitals.models import bundle
from evitals.models.card import Card, Source
from evitals.models.config import Config, load_config
from evitals.models.evaluate import Score
from evitals.models.layout import CONFIG, MODEL, PROGRAM, STATIC
from evitals.models.manifest import DataFile, Lineage, Metric, Step
from evitals.models.prepared import Record
from evitals.models.programs import read_program
from evitals.signals import SIGNALS

ROLES = {"training": "train", "validation": "validation", "test": "test"}


def pack_job(folder: Path, record: Record, scores: dict[str, Score]) -> bytes:
    """The bundle of the job in ``folder``. Raises InputError where its data are of no one known
    chemistry, MissingExtra where onnx is not installed."""
    config, program = load_config(folder / CONFIG), read_program(folder / PROGRAM)
    campaign = next((c for c in CAMPAIGNS.values() if c.folder == config.data.set), None)
    if campaign is None:
        raise InputError(
            "data.set", config.data.set, "names no cell's chemistry", "pack the bundle by hand"
        )
    output = SIGNALS[config.target]
    step = config.step_s or 1.0
    spread = STEP_TOLERANCE * step if program.step_s is not None else 0.9 * step
    about = bundle.About(
        id=f"{config.data.set.replace('_', '-')}-{config.kind}",
        version="0.1.0",
        level="cell",
        chemistry=campaign.chemistry,
        output_low=output.low,
        output_high=output.high,
        step=Step(step, step - spread, step + spread),
        cell=campaign.cell,
        metrics=_metrics(config, scores),
        lineage=_lineage(folder, config, record),
    )
    card = Card(
        title=f"{campaign.cell}: {config.target} by {config.kind}",
        purpose=f"Estimates {config.target} in a stream from {', '.join(config.inputs)}.",
        limits=campaign.known_gaps,
        not_for=("a hard limit of current, voltage or temperature: estimates are advisory",),
        sources=(Source(title=campaign.cell, citation=campaign.source),),
    )
    return bundle.pack(program, about, card)


def _metrics(config: Config, scores: dict[str, Score]) -> tuple[Metric, ...]:
    if MODEL not in scores:
        return ()
    ours, base = scores[MODEL], scores.get(STATIC)
    on = ", ".join(config.split.test)
    unit = SIGNALS[config.target].unit
    rows = [("all", ours.rmse, base.rmse if base else None)]
    rows += [
        (f"{degc} degC", value, base.by_degc.get(degc) if base else None)
        for degc, value in ours.by_degc.items()
    ]
    return tuple(
        Metric(
            name="rmse", value=value, unit=unit, on=on, where=where, baseline=other,
            baseline_name=STATIC if other is not None else "",
        )
        for where, value, other in rows
    )  # fmt: skip


def _lineage(folder: Path, config: Config, record: Record) -> Lineage:
    files = tuple(
        DataFile(name=member.test_id, sha256=member.digest, role=ROLES[role])  # type: ignore[arg-type]
        for role in ("training", "validation", "test")
        for member in record.split.members(role)
    )
    text = (folder / CONFIG).read_bytes()
    return Lineage(
        job=folder.name,
        config_sha256=hashlib.sha256(text).hexdigest(),
        seed=config.seed,
        files=files,
    )
