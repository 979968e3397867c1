"""Run migrations on the connection that the caller gives, inside the caller's transaction."""

from __future__ import annotations

from alembic import context

from limner.records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite's DDL is transactional once BEGIN is ours: a migration is applied whole or not at all.
    transactional_ddl=True,
    # SQLite alters little in place; batch mode copies the table instead.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
