"""Alembic's entry: runs the migrations on the connection that the store gives."""

from alembic import context

from asr_core.evaluation.store.schema import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
context.run_migrations()
