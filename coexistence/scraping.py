"""Serving the metrics: on `/metrics`, which tells the sum of all workers, or on a port of its own.

Workers of one server share a directory, into which each writes its own files: prometheus_client's
multiprocess mode. It is told by a variable that must be set before a worker imports the library.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

logger = logging.getLogger(__name__)

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_OF_LIVE_PROCESSES = "gauge_live*_*.db"


def share_between_workers() -> None:
    """Give the workers that this process is about to start an empty directory to write into.

    It is the one that the environment names, or else one of this server's own, which goes with it.
    """
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        folder = Path(named)
        folder.mkdir(parents=True, exist_ok=True)
        for left_behind in folder.glob("*.db"):
            left_behind.unlink(missing_ok=True)
        return
    own = tempfile.mkdtemp(prefix="rasa-coexistence-metrics-")
    os.environ[DIRECTORY_VARIABLE] = own
    atexit.register(_remove, own, os.getpid())


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked worker inherits the registration
        shutil.rmtree(folder, ignore_errors=True)


def check_shared() -> None:
    """Warn when this worker's figures would not reach the others; called as one of several starts.

    A forked worker has the library as its parent imported it, perhaps for the assistant's own
    metrics, and before the plug-in could name a directory; a spawned one imports it anew.
    """
    from prometheus_client import values

    if os.environ.get(DIRECTORY_VARIABLE) and values.ValueClass is values.MutexValue:
        logger.warning(
            "prometheus_client was imported before the workers were forked: /metrics tells of one "
            "worker only. Set %s to an empty directory before the server starts.",
            DIRECTORY_VARIABLE,
        )


def page(accept: str = "") -> tuple[bytes, str]:
    """Return the metrics of all workers, or of this process where there is but one; and their type.

    `accept` is the scraper's header, for it may understand a newer format.
    """
    from prometheus_client import REGISTRY, CollectorRegistry, values
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = REGISTRY
    folder = os.environ.get(DIRECTORY_VARIABLE)
    if folder and values.ValueClass is not values.MutexValue:
        _forget_dead_workers(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _forget_dead_workers(folder: Path) -> None:
    """Leave out the gauges of workers that are gone; what they counted stays in the sums."""
    from prometheus_client.multiprocess import mark_process_dead

    for file in folder.glob(_OF_LIVE_PROCESSES):
        process = file.stem.rpartition("_")[2]
        if process.isdigit() and not _is_alive(int(process)):
            mark_process_dead(int(process))  # type: ignore[no-untyped-call]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def serve(port: int, host: str) -> None:
    """Serve this process's metrics on a port of its own, from a thread; ends it when it cannot."""
    from prometheus_client import start_http_server

    try:
        start_http_server(port, addr=host)
    except OSError as error:
        sys.exit(
            f"rasa-coexistence: profile_store.metrics_port: {host}:{port} cannot be listened on "
            f"({error.strerror}); choose another port or host."
        )
    logger.info("Metrics are served on http://%s:%s/metrics.", host, port)
