"""Ask whether anything that is pinned is known to be vulnerable; `make audit` and `make check` do.

    python -m tests.advisories

`pip-audit` asks PyPI and, where that knows nothing, OSV; with `AUDIT_URL` an OSV service of one's
own instead. A finding fails. Where nobody can be asked, one line says so and nothing fails, unless
`AUDIT=required` is set, as it is where the network is always there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests import pins
from tests.pins import Pin

PATIENCE = 15
"""Seconds that a service may take to answer."""

_UNREACHABLE = ("Could not connect", "ConnectionError", "Timeout", "HTTPError", "ServiceError")
"""What pip-audit's error, or the traceback that it prints instead of one, says of the network."""


class Unreachable(Exception):
    """Nothing was learned from a service; the message says of whom."""


class Finding(NamedTuple):
    """A package that is known to be vulnerable."""

    package: str
    version: str
    advisory: str
    fixed_in: Sequence[str]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.package} {self.version}: {self.advisory}, {fixed}"


class Answer(NamedTuple):
    """What a service knows of the packages that it was asked for."""

    asked: int
    unknown: Sequence[str]
    findings: Sequence[Finding]


def services() -> list[tuple[str, list[str]]]:
    """Return who is asked, in order, and how pip-audit is told so."""
    own = os.environ.get("AUDIT_URL")
    if own:
        return [(own, ["--vulnerability-service", "osv", "--osv-url", own])]
    return [
        ("PyPI", ["--vulnerability-service", "pypi"]),
        ("OSV", ["--vulnerability-service", "osv"]),
    ]


def layers(pinned: Iterable[Pin]) -> list[list[str]]:
    """Return pins as requirements for any Python, none of them with two versions of a package."""
    versions: dict[str, dict[str, str]] = {}
    for pin in pinned:
        name = pin.requirement.name
        line = " ".join([f"{name}=={pin.version}", *(f"--hash={digest}" for digest in pin.hashes)])
        versions.setdefault(name, {})[pin.version] = line
    most = max(map(len, versions.values()))
    return [
        [list(lines.values())[layer] for lines in versions.values() if layer < len(lines)]
        for layer in range(most)
    ]


def ask(service: Sequence[str], pinned: Iterable[Pin]) -> Answer:
    """Return what a service knows of packages.

    Raises:
        Unreachable: when it does not answer, or answers that it knows not one of them.
    """
    packages = [package for layer in layers(pinned) for package in _audited(service, layer)]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        # PyPI's mirrors have no advisories and say 404, which pip-audit takes for a success.
        raise Unreachable("it knows none of the packages")
    findings = [
        Finding(package["name"], package["version"], found["id"], found["fix_versions"])
        for package in packages
        for found in package.get("vulns", ())
    ]
    return Answer(len(packages), unknown, findings)


def _audited(service: Sequence[str], requirements: Iterable[str]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("\n".join(requirements), encoding="utf-8")
        asked = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes",
             "--format", "json", "--progress-spinner", "off", "--timeout", str(PATIENCE),
             *service, "--requirement", str(file)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if asked.stdout:
        packages: list[dict[str, Any]] = json.loads(asked.stdout)["dependencies"]
        return packages
    last = (asked.stderr.strip() or "it said nothing").splitlines()[-1]
    if any(word in asked.stderr for word in _UNREACHABLE):
        raise Unreachable(last.partition(":")[0])
    sys.exit(f"pip-audit failed: {last}")


def main() -> None:
    """Ask, tell in a line or more, and end with 1 for a finding."""
    required = os.environ.get("AUDIT") == "required"
    reasons = []
    for name, service in services():
        try:
            answer = ask(service, pins.everything())
        except Unreachable as error:
            reasons.append(f"{name}: {error}")
            continue
        sys.exit(told(name, answer, required=required))
    said = f"NOT AUDITED: no database of vulnerabilities can be reached ({'; '.join(reasons)})."
    sys.exit(said) if required else print(said)


def told(service: str, answer: Answer, *, required: bool) -> int:
    """Print what a service knows; return the exit code."""
    for finding in answer.findings:
        print(finding)
    known = answer.asked - len(answer.unknown)
    print(f"{service}: {len(answer.findings)} findings in {known} pinned packages.")
    if answer.unknown:
        print(f"NOT AUDITED, for {service} does not know them: {', '.join(answer.unknown)}.")
    return int(bool(answer.findings) or (required and bool(answer.unknown)))


if __name__ == "__main__":
    main()
