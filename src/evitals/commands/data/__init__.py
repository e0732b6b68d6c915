"""``evitals data``: public data sets from their publishers. One file a command."""

import rich_click as click

from evitals.commands.data.fetch import fetch
from evitals.commands.data.importing import import_
from evitals.commands.data.listing import list_
from evitals.commands.data.show import show


@click.group()
def data() -> None:
    """Public data sets of cells: cite, download, import."""


for command in (list_, show, fetch, import_):
    data.add_command(command)
