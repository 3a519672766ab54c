"""The database's URL: put together from the settings, with the driver that this package uses."""

from __future__ import annotations

import re
from collections.abc import Mapping

import sqlalchemy as sa

from profile_store import errors, hosts
from profile_store.endpoints import SECTION, origin

_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_EXTRAS = {"postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
_HOST_AND_PORT = re.compile(r"([^:/]+):(\d+)")


def build(
    *,
    dialect: str,
    url: str | None,
    port: int | None,
    db: str,
    username: str | None,
    password: str | None,
    query: Mapping[str, str],
) -> sa.URL:
    """Return the URL that settings of these names stand for.

    Raises:
        InvalidSettings: for an unknown dialect, a URL that is none, or a host for SQLite.
    """
    if url and "://" in url:
        whole = _parsed(url, query)
        if whole.drivername == "sqlite":
            return whole
        return whole.set(username=whole.username or username, password=whole.password or password)
    driver = _driver(dialect, "dialect")
    if driver == "sqlite":
        if url:
            raise errors.InvalidSettings(
                f"{origin('url')}: SQLite has no host; set {SECTION}.db to its file, "
                f"{SECTION}.dialect to another database, or give a whole URL."
            )
        return sa.URL.create(driver, database=db, query=dict(query))
    host = url or "localhost"
    if with_port := _HOST_AND_PORT.fullmatch(host):
        host, port = with_port[1], int(with_port[2])
    several = "," in host
    built = sa.URL.create(
        driver,
        username=username,
        password=password,
        host=None if several else host,
        port=None if several else port,
        database=db,
        query=dict(query),
    )
    return _with_hosts(built, host, port) if several else built


def _parsed(text: str, query: Mapping[str, str]) -> sa.URL:
    text, several = hosts.split(text)
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # without its cause, which quotes the text and so the password
        raise errors.InvalidSettings(
            f"{origin('url')} is not a database URL; "
            "write it as dialect://user:password@host:port/database."
        ) from None
    if "@" in (url.host or ""):
        raise errors.InvalidSettings(
            f"{origin('url')}: an @ in the password must be written %40; "
            f"or leave the password to {SECTION}.password."
        )
    url = url.set(drivername=_driver(url.drivername, "url")).update_query_dict(query)
    return _with_hosts(url, several) if several else url


def _with_hosts(url: sa.URL, several: str, port: int | None = None) -> sa.URL:
    if url.get_backend_name() != "postgresql":
        raise errors.InvalidSettings(
            f"{origin('url')}: only PostgreSQL takes several hosts; name one, such as a proxy "
            "that knows which takes writes."
        )
    return hosts.put(url, several, port)


def _driver(name: str, setting: str) -> str:
    dialect = name.partition("+")[0]
    if dialect not in _DRIVERS:
        raise errors.InvalidSettings(
            f"{origin(setting)}: the dialect is none of sqlite, postgresql, mysql, mariadb."
        )
    return _DRIVERS[dialect]


def missing_driver(url: sa.URL) -> errors.InvalidSettings:
    """Return the error for a database whose driver is not installed, with the remedy."""
    extra = _EXTRAS.get(url.get_backend_name(), "")
    return errors.InvalidSettings(
        f"{SECTION}: the driver for {url.get_backend_name()} is not installed; "
        f"run: pip install 'rasa-coexistence[{extra}]'"
    )
