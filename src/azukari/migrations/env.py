"""Run by Alembic with the connection that ``db/migrate.py`` hands over."""

from alembic import context

from azukari.db import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, include_schemas=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
if connection.in_transaction():
    connection.commit()
