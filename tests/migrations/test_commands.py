"""The commands that migrate: `coexist db ...` anywhere, plain `alembic ...` in the checkout."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import sqlalchemy as sa

from profile_store import StoreSettings, engine, migrate, schema
from tests.conftest import SERVERS, Database
from tests.databases import free_port
from tests.migrations.conftest import Run, connected, tables
from tests.migrations.test_schema import described
from tests.migrations.test_upgrade import OURS, set_version


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def unreachable(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/nowhere/profiles.db"
    return f"{request.param}://rasa:s3cret@127.0.0.1:{free_port()}/profiles"


def test_coexist_upgrades_says_where_and_to_what(empty_database: Database, coexist: Run) -> None:
    done = coexist("db", "upgrade", url=empty_database.url)
    assert done.returncode == 0
    assert done.stdout == f"{empty_database.url} is at version {schema.REVISION}.\n"
    assert done.stderr == ""


def test_coexist_downgrades_without_asking_when_told_so(
    config: StoreSettings, coexist: Run
) -> None:
    migrate.upgrade(config)
    done = coexist("db", "downgrade", "base", "--yes", url=config.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" is at version base.\n")
    assert tables(config) == {schema.VERSION_TABLE}


def test_coexist_asks_before_profiles_are_lost(
    tmp_path: Path, coexist: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = StoreSettings(url=f"sqlite:///{tmp_path}/profiles.db")
    migrate.upgrade(config)
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    done = coexist("db", "downgrade", "base", url=config.url)
    assert done.returncode == 1
    assert "Profiles may be lost" in done.stdout + done.stderr
    assert tables(config) == OURS


def test_coexist_current_succeeds_on_tables_of_this_version_alone(
    config: StoreSettings, coexist: Run
) -> None:
    before = coexist("db", "current", url=config.url)
    assert (before.returncode, before.stdout) == (1, "")
    assert before.stderr == (
        "coexist: The profile database has no tables yet; run: coexist db upgrade\n"
    )
    migrate.upgrade(config)
    after = coexist("db", "current", url=config.url)
    assert (after.returncode, after.stderr) == (0, "")
    assert after.stdout.endswith(" is current.\n")


def test_a_database_is_shown_without_its_passwords() -> None:
    shown = engine.address(
        sa.make_url("postgresql://rasa:s3cret@db/profiles?sslmode=require&sslpassword=s3cret")
    )
    assert shown == "postgresql://rasa:***@db/profiles"


@pytest.mark.parametrize(
    "command",
    [["upgrade"], ["current"], ["downgrade", "base", "--yes"]],
    ids=lambda command: command[0],
)
def test_an_unreachable_database_is_one_line_without_the_password(
    command: list[str], unreachable: str, coexist: Run
) -> None:
    done = coexist("db", *command, url=unreachable)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("coexist: The profile database ")
    assert " cannot be reached: " in done.stderr
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(
    "command", [["upgrade", "nosuch"], ["downgrade", "nosuch", "--yes"]], ids=lambda c: c[0]
)
def test_a_version_that_does_not_exist_is_one_line_that_names_those_that_do(
    command: list[str], config: StoreSettings, coexist: Run
) -> None:
    migrate.upgrade(config)
    done = coexist("db", *command, url=config.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "coexist: The profile database cannot go from version 0001 to 'nosuch'; "
        "the versions are: base, 0001.\n"
    )
    assert tables(config) == OURS


@pytest.mark.parametrize(
    "command",
    [["upgrade"], ["current"], ["downgrade", "base", "--yes"]],
    ids=lambda command: command[0],
)
def test_a_database_of_a_newer_release_is_one_line_that_names_its_version(
    command: list[str], config: StoreSettings, coexist: Run
) -> None:
    migrate.upgrade(config)
    set_version(config, "9999")
    done = coexist("db", *command, url=config.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is at version 9999, which this package does not know" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_database_may_be_named_by_another_file(tmp_path: Path, coexist: Run) -> None:
    file = tmp_path / "other.yml"
    file.write_text(f"profile_store:\n  db: {tmp_path}/other.db\n")
    assert coexist("db", "upgrade", "--endpoints", str(file)).returncode == 0
    assert tables(StoreSettings(db=f"{tmp_path}/other.db")) == OURS


def test_a_file_that_is_not_there_is_one_line(coexist: Run) -> None:
    done = coexist("db", "upgrade", "--endpoints", "nowhere.yml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("coexist: nowhere.yml: no such file; ")
    assert done.stderr.count("\n") == 1


# SQLite's driver ignores them, with a warning of SQLAlchemy's
@pytest.mark.parametrize("backend", SERVERS, indirect=True)
def test_an_option_that_the_driver_does_not_know_is_one_line(
    empty_database: Database, coexist: Run
) -> None:
    done = coexist("db", "upgrade", url=f"{empty_database.url}?nosuch=s3cret")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("coexist: ")
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr


def test_alembic_upgrades_and_downgrades_as_in_any_project(
    config: StoreSettings, alembic: Run
) -> None:
    url = str(config.url)
    up = alembic("upgrade", "head", url=url)
    assert up.returncode == 0, up.stderr
    assert tables(config) == OURS
    down = alembic("downgrade", "base", url=url)
    assert down.returncode == 0, down.stderr
    assert tables(config) == {schema.VERSION_TABLE}


def test_the_sql_that_alembic_prints_makes_the_same_tables(
    config: StoreSettings, alembic: Run
) -> None:
    printed = alembic("upgrade", "head", "--sql", url=str(config.url))
    assert printed.returncode == 0, printed.stderr
    assert tables(config) == set()
    with connected(config) as connection:
        for statement in printed.stdout.split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        migrate.check(connection)
        by_hand = described(connection)
    migrate.downgrade(config, "base")
    migrate.upgrade(config)
    with connected(config) as connection:
        assert described(connection) == by_hand


def test_alembic_says_in_one_line_that_the_database_is_unreachable(
    unreachable: str, alembic: Run
) -> None:
    done = alembic("upgrade", "head", url=unreachable)
    assert done.returncode != 0
    shown = (done.stdout + done.stderr).strip()
    assert "cannot be reached" in shown
    assert "\n" not in shown
    assert "s3cret" not in shown
