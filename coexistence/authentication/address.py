"""Where the action server listens: on loopback alone, unless callers are known by a secret."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import socket
import sys

logger = logging.getLogger(__name__)

HOST_VARIABLE = "SANIC_HOST"
LOOPBACK = "127.0.0.1"

_HOW_TO_OPEN = (
    "set action_endpoint.token in endpoints.yml, or ACTION_SERVER_TOKEN (docs/security.md)"
)


def settle(*, guarded: bool, serve_without_secret: bool) -> str | None:
    """Return the host to listen on; None leaves it to the SDK, which listens on all addresses.

    Ends the process with one line when others than this machine could call without a secret.
    """
    host = os.environ.get(HOST_VARIABLE) or None
    if guarded or (host is not None and is_loopback(host)):
        return host
    if serve_without_secret:
        logger.warning(
            "No secret is set, and profile_store.serve_without_secret is true: whoever reaches "
            "the action server reads and changes any profile."
        )
        return host
    if host is None:
        logger.warning(
            "No secret is set: the action server listens on %s only. To let others call it, %s.",
            LOOPBACK, _HOW_TO_OPEN,
        )  # fmt: skip
        return LOOPBACK
    sys.exit(
        f"rasa-coexistence: {HOST_VARIABLE} lets others than this machine call, and no secret is "
        f"set: they could read and change any profile. Better {_HOW_TO_OPEN}; or unset "
        f"{HOST_VARIABLE}, or set profile_store.serve_without_secret: true."
    )


def is_loopback(host: str) -> bool:
    """Return whether a host, an address or a name, is reached from this machine alone."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)
