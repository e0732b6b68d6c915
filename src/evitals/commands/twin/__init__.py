"""``evitals twin``: vehicles that do not exist, with truth that is known. One file a command."""

import rich_click as click

from evitals.commands.twin.fleet import fleet
from evitals.commands.twin.health import health
from evitals.commands.twin.table import table
from evitals.commands.twin.trip import trip
from evitals.commands.twin.whatif import whatif


@click.group()
def twin() -> None:
    """Simulate a trip or a fleet; judge the estimators against known truth."""


for command in (trip, table, fleet, health, whatif):
    twin.add_command(command)
