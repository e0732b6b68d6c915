"""The command line: one command a job. Heavy imports lie inside the commands."""

import rich_click as click

from evitals.commands.common import Main
from evitals.commands.data import data
from evitals.commands.demo import demo
from evitals.commands.doctor import doctor
from evitals.commands.evaluate import compare, evaluate
from evitals.commands.fleet import fleet
from evitals.commands.ingest import ingest
from evitals.commands.models import models
from evitals.commands.reference import settings, signals
from evitals.commands.rescore import rescore
from evitals.commands.serve import serve
from evitals.commands.store import store
from evitals.commands.train import train
from evitals.commands.twin import twin
from evitals.commands.vehicles import vehicles


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="evitals")
def main() -> None:
    """Vital signs for EV batteries: trips in, battery health out."""


for command in (
    compare, data, demo, doctor, evaluate, fleet, ingest, models, rescore, serve, settings,
    signals, store, train, twin, vehicles,
):  # fmt: skip
    main.add_command(command)
