"""What `make audit` says and does: for findings, for none, and where nobody can be asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests import advisories, pins
from tests.databases import free_port

pytestmark = pytest.mark.deployment

VULNERABLE = "sanic"
ADVISORY = "PYSEC-2099-1"


class Service:
    """Stands for OSV: knows of what it is told, and answers with a status."""

    def __init__(self) -> None:
        self.vulnerable: str | None = None
        self.status = 200
        self.asked: set[tuple[str, str]] = set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                question = json.loads(self.rfile.read(length))
                package = question["package"]["name"], question["version"]
                service.asked.add(package)
                self.send_response(service.status)
                self.end_headers()
                self.wfile.write(json.dumps(service.answer(package[0])).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/query"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def answer(self, package: str) -> dict[str, Any]:
        if package != self.vulnerable:
            return {}
        affected = {
            "package": {"name": package, "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
        return {"vulns": [{"id": ADVISORY, "summary": "bad", "affected": [affected]}]}

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


Audit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def audit() -> Audit:
    def run(url: str, **env: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name != "AUDIT"}
        return subprocess.run(
            [sys.executable, "-m", "tests.advisories"],
            env={**kept, "AUDIT_URL": url, **env},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_nothing_known_is_told_with_how_many_were_asked_for(audit: Audit, service: Service) -> None:
    done = audit(service.url, AUDIT="required")
    pinned = {(pin.requirement.name, pin.version) for pin in pins.everything()}
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{service.url}: 0 findings in {len(pinned)} pinned packages.\n"
    assert service.asked == pinned  # those for other Pythons than this one, too


def test_a_known_vulnerability_fails(audit: Audit, service: Service) -> None:
    service.vulnerable = VULNERABLE
    done = audit(service.url)
    (version,) = {pin.version for pin in pins.everything() if pin.requirement.name == VULNERABLE}
    assert done.returncode == 1
    finding, total = done.stdout.splitlines()
    assert finding == f"{VULNERABLE} {version}: {ADVISORY}, fixed in 99.1"
    assert f"{service.url}: 1 findings in " in total


@pytest.mark.parametrize("status", [None, 500, 404])
def test_where_nobody_can_be_asked_a_line_says_so_and_nothing_fails(
    audit: Audit, service: Service, status: int | None
) -> None:
    service.status = status or 200
    url = service.url if status else f"http://127.0.0.1:{free_port()}/v1/query"
    done = audit(url)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith("NOT AUDITED: no database of vulnerabilities can be reached (http")
    assert url in line


def test_where_nobody_can_be_asked_it_fails_if_that_is_required(audit: Audit) -> None:
    done = audit(f"http://127.0.0.1:{free_port()}/v1/query", AUDIT="required")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("NOT AUDITED")


UNKNOWN = {"name": "a", "skip_reason": "Dependency not found on PyPI and could not be audited"}
KNOWN = {"name": "b", "version": "1", "vulns": []}


def test_a_mirror_that_knows_no_package_is_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    # pip-audit takes the 404 of each package for a success
    monkeypatch.setattr(advisories, "_audited", lambda *_: [UNKNOWN, UNKNOWN])
    with pytest.raises(advisories.Unreachable, match="it knows none of the packages"):
        advisories.ask([], pins.read("a==1"))


@pytest.mark.parametrize(("required", "code"), [(False, 0), (True, 1)])
def test_a_package_that_a_database_does_not_know_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], required: bool, code: int
) -> None:
    monkeypatch.setattr(advisories, "_audited", lambda *_: [UNKNOWN, KNOWN])
    answer = advisories.ask([], pins.read("a==1"))
    assert advisories.told("PyPI", answer, required=required) == code
    assert capsys.readouterr().out.splitlines() == [
        "PyPI: 0 findings in 1 pinned packages.",
        "NOT AUDITED, for PyPI does not know them: a.",
    ]
