"""Environment: what Alembic runs to migrate over the connection it is given."""

from alembic import context

from keyrelay.stores.schema.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite's statements for tables are part of the transaction like any other.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
