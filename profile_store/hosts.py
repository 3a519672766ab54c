"""Several hosts of one PostgreSQL database, as libpq writes them: a primary and its standbys.

The driver tries one after the other until one takes writes, so that a promoted standby is found
without a restart.
"""

from __future__ import annotations

import re

import sqlalchemy as sa

_SEVERAL = re.compile(r"([^:/?#]+://(?:[^@/?#]*@)?)([^@/?#]+,[^@/?#]+)(.*)", re.DOTALL)
_WITH_PORT = re.compile(r".*[^:]:\d+|\[.*\]:\d+")
_WRITABLE = {"target_session_attrs": "read-write"}


def split(text: str) -> tuple[str, str | None]:
    """Return a URL without its several hosts, and these; as it is when it names at most one."""
    found = _SEVERAL.fullmatch(text)
    return (found[1] + found[3], found[2]) if found else (text, None)


def put(url: sa.URL, hosts: str, port: int | None = None) -> sa.URL:
    """Return a URL with several hosts, of which the one that takes writes is used.

    `port` is for hosts without one of their own.
    """
    default = "5432" if port is None else str(port)
    listed = tuple(
        host if _WITH_PORT.fullmatch(host) else f"{host}:{default}"
        for host in map(str.strip, hosts.split(","))
        if host
    )
    query = {**_WRITABLE, **url.query, "host": listed}
    return url.set(host=None, port=None, query=query)


def shown(url: sa.URL) -> str:
    """Return several hosts as they were written; nothing for a URL with one."""
    listed = url.query.get("host", ())
    return ",".join(listed) if isinstance(listed, tuple) else ""
