"""``evitals models``: the registry of model bundles. One file a command."""

import rich_click as click

from evitals.commands.models.add import add
from evitals.commands.models.keygen import keygen
from evitals.commands.models.list import list_
from evitals.commands.models.promote import promote
from evitals.commands.models.remove import remove
from evitals.commands.models.rollback import rollback
from evitals.commands.models.show import show
from evitals.commands.models.sign import sign
from evitals.commands.models.verify import verify


@click.group()
def models() -> None:
    """Keep model bundles: verified, signed, versioned, switched at once."""


for command in (list_, show, add, verify, promote, rollback, remove, keygen, sign):
    models.add_command(command)
