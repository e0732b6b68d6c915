"""The command line: one command a job. Heavy imports lie inside the commands."""

import rich_click as click

from evitals.commands.common import Main
from evitals.commands.reference import settings, signals
from evitals.commands.store import store


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="evitals")
def main() -> None:
    """Vital signs for EV batteries: trips in, battery health out."""


for command in (settings, signals, store):
    main.add_command(command)
