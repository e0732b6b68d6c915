"""Brings a store's schema to this version, from any older one."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from evitals.errors import StoreError

FOLDER = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Run the missing migrations inside the caller's transaction.

    Raises StoreError where the store was written by a newer evitals.
    """
    current = MigrationContext.configure(connection).get_current_revision()
    if current == _script().get_current_head():
        return
    if current is not None and current not in _revisions():
        raise StoreError(
            f"store: its schema {current!r} is newer than this evitals knows; "
            "install the version of evitals that wrote it, or a newer one"
        )
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    # Percent signs would be read as interpolation.
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


@cache
def _revisions() -> frozenset[str]:
    return frozenset(revision.revision for revision in _script().walk_revisions())
