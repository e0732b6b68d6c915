"""Alembic's entry: the connection is handed in by ``evitals.fleet.migrate``."""

from alembic import context

from evitals.fleet.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
