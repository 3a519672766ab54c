"""What Alembic runs: `alembic upgrade head`, `coexist db upgrade` and SQLite's start come here.

Concurrent starters are let in one at a time: whoever comes second finds the work done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import context
from alembic.util import CommandError

from profile_store import ProfileStoreError, engine, migrate, schema, settings

_LOCK = 7_253_418_905_114_226
"""A number of ours for PostgreSQL's advisory lock."""
_LOCK_SECONDS = 600
"""How long a starter waits for another's migration; MySQL wants a limit."""


@contextlib.contextmanager
def _one_at_a_time(connection: sa.Connection) -> Iterator[None]:
    dialect = connection.dialect.name
    if dialect == "sqlite":
        # The write lock is held for the whole migration, and undoes it as one when it fails.
        usual = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        connection.exec_driver_sql("PRAGMA busy_timeout = 60000")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        # the store goes on over this connection, and with its own patience
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {usual}")
        try:
            yield
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")
    elif dialect == "postgresql":
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("SET lock_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
        try:
            connection.exec_driver_sql("BEGIN")
            try:
                yield
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_LOCK})")
    else:
        # MySQL commits every change of a table by itself; the migrations can be repeated.
        waited = connection.exec_driver_sql(f"SELECT GET_LOCK('profile_store', {_LOCK_SECONDS})")
        if waited.scalar_one() != 1:
            raise CommandError(
                "Another migration of the profile database does not end; look at it."
            )
        try:
            yield
        finally:
            connection.exec_driver_sql("SELECT RELEASE_LOCK('profile_store')")


def run(connection: sa.Connection) -> None:
    """Run the migrations that were asked for, over a connection that commits each statement."""
    with _one_at_a_time(connection):
        context.configure(
            connection=connection,
            target_metadata=schema.metadata,
            version_table=schema.VERSION_TABLE,
            transactional_ddl=False,  # the transaction is ours, see above
            render_as_batch=connection.dialect.name == "sqlite",
        )
        with context.begin_transaction():
            context.run_migrations()


def _run_offline() -> None:
    """Print the SQL instead (`alembic upgrade head --sql`), for those whose DBA runs it."""
    url = settings.load().sqlalchemy_url()
    context.configure(
        url=url,
        target_metadata=schema.metadata,
        version_table=schema.VERSION_TABLE,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _run_offline()
elif (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    try:
        database = engine.create_engine(migrate.patient(settings.load()))
        try:
            with database.connect() as made:
                run(made)
        except sa.exc.DBAPIError as error:
            raise engine.unreachable(error, database.url) from error
        finally:
            database.dispose()
    except ProfileStoreError as error:
        raise CommandError(str(error)) from error  # which Alembic shows as one line
