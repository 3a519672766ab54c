"""`python -m rasa_sdk --grpc`, on loopback: the SDK itself listens on every address."""

from __future__ import annotations

from typing import Any

from grpc.aio import _server
from rasa_sdk import __main__ as rasa_sdk_main

_listen = _server.Server.add_insecure_port


def _on_loopback(server: Any, address: str) -> int:
    return _listen(server, address.replace("[::]", "127.0.0.1"))


_server.Server.add_insecure_port = _on_loopback
rasa_sdk_main.main()
