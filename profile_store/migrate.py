"""Migrations from Python: run them once however many start together, and check the version."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from profile_store import engine, errors, schema, settings

if TYPE_CHECKING:
    from alembic.config import Config

logger = logging.getLogger(__name__)

UPGRADE_COMMAND = "coexist db upgrade"

_alembic = threading.Lock()  # Alembic's context is one a process

PATIENCE = 900.0
"""Seconds that a statement of a migration may take; an action's limit is far too short for it."""


def script_location() -> Path:
    """Return the folder of migrations: inside the wheel, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def alembic_config(connection: sa.Connection | None = None) -> Config:
    """Return Alembic's configuration for these migrations, over a connection where one is given."""
    # Alembic takes a tenth of a second to import; a server whose tables are current never needs it.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(script_location()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def revision(connection: sa.Connection) -> str | None:
    """Return the version that a database's tables have, None when there are none."""
    if not sa.inspect(connection).has_table(schema.VERSION_TABLE):
        return None
    version = sa.table(schema.VERSION_TABLE, sa.column("version_num"))
    return connection.execute(sa.select(version.c.version_num)).scalar_one_or_none()


def check(connection: sa.Connection) -> None:
    """Return when the tables are of this package's version.

    Raises:
        SchemaOutdated: when they are missing, older or newer.
    """
    found = revision(connection)
    if found == schema.REVISION:
        return
    if found is None:
        raise errors.SchemaOutdated(
            f"The profile database has no tables yet; run: {UPGRADE_COMMAND}"
        )
    if found not in _known():
        raise _unknown(found)
    raise errors.SchemaOutdated(
        f"The profile database is at version {found}, this package needs {schema.REVISION}; "
        f"run: {UPGRADE_COMMAND}"
    )


def _known() -> list[str]:
    """Return the versions that this package has migrations for, the oldest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(alembic_config())
    return [script.revision for script in scripts.walk_revisions()][::-1]


def _unknown(found: str) -> errors.SchemaOutdated:
    return errors.SchemaOutdated(
        f"The profile database is at version {found}, which this package does not know (its own "
        f"is {schema.REVISION}); install the release that wrote version {found} or a newer one, "
        f"then run: {UPGRADE_COMMAND}"
    )


def upgrade_connection(connection: sa.Connection, target: str = "head") -> None:
    """Bring a database to a version; does nothing, fast, when it is there already.

    Raises:
        SchemaOutdated: when it is at a version that this package does not know.
        InvalidSettings: when there is no such version to go to.
    """
    if target == "head" and revision(connection) == schema.REVISION:
        return
    with _explained(connection, target):
        from alembic import command

        command.upgrade(alembic_config(connection), target)
    logger.info("The profile database is at version %s now.", revision(connection))


def downgrade_connection(connection: sa.Connection, target: str) -> None:
    """Take a database back to a version; `base` deletes everything.

    Raises:
        As `upgrade_connection` does.
    """
    with _explained(connection, target):
        from alembic import command

        command.downgrade(alembic_config(connection), target)


@contextlib.contextmanager
def _explained(connection: sa.Connection, target: str) -> Iterator[None]:
    """Say what to do where Alembic would only fail, and keep the log free of its set-up."""
    from alembic.util import CommandError

    known, found = _known(), revision(connection)
    if found is not None and found not in known:
        raise _unknown(found)
    with _alembic, _quiet():
        try:
            yield
        except CommandError as error:
            raise errors.InvalidSettings(
                f"The profile database cannot go from version {found or 'base'} to {target!r}; "
                f"the versions are: base, {', '.join(known)}."
            ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Alembic's dozen lines of its own set-up out of an action server's log."""
    alembic_logger = logging.getLogger("alembic")
    before = alembic_logger.level
    alembic_logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        alembic_logger.setLevel(before)


def upgrade(config: settings.StoreSettings, target: str = "head") -> str:
    """Bring the database that some settings name to a version, and return the one it has.

    Raises:
        StoreUnavailable: when the database cannot be reached.
        SchemaOutdated: when it is at a version that this package does not know.
        InvalidSettings: when the settings name none, or there is no such version.
    """
    with connected(patient(config)) as connection:
        upgrade_connection(connection, target)
        return revision(connection) or "base"


def downgrade(config: settings.StoreSettings, target: str) -> str:
    """Take the database that some settings name back to a version, and return the one it has.

    Raises:
        As `upgrade` does.
    """
    with connected(patient(config)) as connection:
        downgrade_connection(connection, target)
        return revision(connection) or "base"


def patient(config: settings.StoreSettings) -> settings.StoreSettings:
    """Return settings under which a statement may take as long as a migration does.

    PyMySQL gives up reading after `timeout` seconds, in mid-migration or while another's runs.
    SQLite has no such limit, only one for the wait for a lock.
    """
    if config.sqlalchemy_url().get_backend_name() == "sqlite":
        return config
    return config.model_copy(update={"timeout": PATIENCE})


def check_at_start(config: settings.StoreSettings, *, migrate_sqlite: bool = True) -> None:
    """Return when a server may start: SQLite is migrated by the way, others must be at head.

    Raises:
        SchemaOutdated: when the tables are missing or of another version.
        StoreUnavailable: when the database cannot be reached.
    """
    with connected(config) as connection:
        if migrate_sqlite and connection.dialect.name == "sqlite":
            upgrade_connection(connection)
        check(connection)


@contextlib.contextmanager
def connected(config: settings.StoreSettings) -> Iterator[sa.Connection]:
    """Yield a connection to the database that some settings name.

    Raises:
        StoreUnavailable: when the database cannot be reached, or fails.
    """
    database = engine.create_engine(config)
    try:
        with database.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise engine.unreachable(error, database.url) from error
    finally:
        database.dispose()
