"""What is installed is pinned: all that pyproject.toml asks for, by version and hash."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import pins
from tests.pins import Pin

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
NAME = PROJECT["project"]["name"]
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
CONTAINERFILE = (CHECKOUT / "Containerfile").read_text(encoding="utf-8")

PYTHONS = [
    classifier.rpartition(" ")[2]
    for classifier in PROJECT["project"]["classifiers"]
    if re.search(r":: 3\.\d+$", classifier)
]
PLATFORMS = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")]

Environment = Mapping[str, str]


def environments() -> list[Environment]:
    systems = {
        "linux": ("Linux", "posix"),
        "darwin": ("Darwin", "posix"),
        "win32": ("Windows", "nt"),
    }
    return [
        {
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "python_version": python,
            "python_full_version": f"{python}.1",
            "implementation_version": f"{python}.1",
            "sys_platform": platform,
            "platform_machine": machine,
            "platform_system": systems[platform][0],
            "os_name": systems[platform][1],
            "platform_release": "",
            "platform_version": "",
            "extra": "",
        }
        for python in PYTHONS
        for platform, machine in PLATFORMS
    ]  # fmt: skip


ENVIRONMENTS = environments()


def applies(requirement: Requirement, environment: Environment) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(dict(environment))


def asked_for(listed: Sequence[str], extras: Mapping[str, Sequence[str]]) -> Iterator[Requirement]:
    """Yield requirements; those of this project's own extras in the place of the project."""
    for text in listed:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) == NAME:
            for extra in requirement.extras:
                yield from asked_for(extras[extra], extras)
        else:
            yield requirement


def problems(wanted: Sequence[Requirement], pinned: Sequence[Pin]) -> set[str]:
    """Return what is asked for and not pinned, or pinned otherwise, or without a hash."""
    found = {f"{pin.requirement.name}: no hash" for pin in pinned if not pin.hashes}
    for environment in ENVIRONMENTS:
        here: dict[str, list[str]] = {}
        for pin in pinned:
            if applies(pin.requirement, environment):
                here.setdefault(canonicalize_name(pin.requirement.name), []).append(pin.version)
        found |= {f"{name}: pinned twice" for name, versions in here.items() if len(versions) > 1}
        for requirement in wanted:
            if not applies(requirement, environment):
                continue
            versions = here.get(canonicalize_name(requirement.name))
            if versions is None:
                found.add(f"{requirement.name}: not pinned")
            elif not requirement.specifier.contains(versions[0], prereleases=True):
                found.add(f"{requirement.name}: {versions[0]} is not {requirement.specifier}")
    return found


def server_extras() -> list[str]:
    (listed,) = re.findall(r"^SERVER := (\S+)$", MAKEFILE, re.MULTILINE)
    return listed.split(",")


def wanted(file: str) -> list[Requirement]:
    """Return what pyproject.toml asks for where a file is installed."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    extras = project["optional-dependencies"]
    listed = {
        "build": [*groups["build"], *PROJECT["build-system"]["requires"]],
        "fuzz": groups["fuzz"],
        "tools": groups["tools"],
        "server": [*project["dependencies"], f"{NAME}[{','.join(server_extras())}]"],
        "development": [
            *project["dependencies"],
            *groups["dev"],
            *groups["build"],
            *PROJECT["build-system"]["requires"],
        ],
    }
    return list(asked_for(listed[file], extras))


RENEW = "run: make lock"


@pytest.mark.parametrize("file", pins.FILES, ids=lambda file: file.stem)
def test_all_that_is_asked_for_is_pinned(file: Path) -> None:
    assert problems(wanted(file.stem), pins.read(file.read_text(encoding="utf-8"))) == set(), RENEW


def test_every_group_and_extra_is_pinned_somewhere() -> None:
    assert {file.stem for file in pins.FILES} == {"build", "development", "fuzz", "server", "tools"}
    assert set(PROJECT["dependency-groups"]) == {"build", "dev", "fuzz", "tools"}
    extras = set(PROJECT["project"]["optional-dependencies"])
    (own,) = [text for text in PROJECT["dependency-groups"]["dev"] if text.startswith(NAME)]
    assert Requirement(own).extras == extras
    assert set(server_extras()) == extras - {"testing"}


def test_no_two_files_pin_a_package_differently() -> None:
    for environment in ENVIRONMENTS:
        versions: dict[str, set[str]] = {}
        for pin in pins.everything():
            if applies(pin.requirement, environment):
                versions.setdefault(pin.requirement.name, set()).add(pin.version)
        assert {name: found for name, found in versions.items() if len(found) > 1} == {}, RENEW


SOME = pins.read(
    "a==1.5 \\\n    --hash=sha256:00\nb==2 ; python_version < '3.12' --hash=sha256:01\n"
)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        pytest.param("a>=1", None, id="fits"),
        pytest.param("A>=1.5,<2", None, id="fits, spelled otherwise"),
        pytest.param("a>=2", "a: 1.5 is not >=2", id="contradicts"),
        pytest.param("b", "b: not pinned", id="not pinned for every Python"),
        pytest.param("b; python_version < '3.11'", None, id="pinned where it is asked for"),
        pytest.param("c", "c: not pinned", id="not pinned at all"),
    ],
)
def test_what_the_pins_lack_is_noticed(asked: str, problem: str | None) -> None:
    assert problems([Requirement(asked)], SOME) == ({problem} if problem else set())


def test_a_pin_without_a_hash_or_twice_is_noticed() -> None:
    twice = [*SOME, *pins.read("a==1.6")]
    assert problems([], twice) == {"a: no hash", "a: pinned twice"}


@pytest.mark.parametrize("text", ["a>=1", "a", "a==1.*"])
def test_what_is_no_pin_is_noticed(text: str) -> None:
    with pytest.raises(ValueError, match=r"no pin|not enough values"):
        problems([], pins.read(f"{text} --hash=sha256:00"))


@pytest.mark.parametrize("text", [MAKEFILE, CONTAINERFILE], ids=["Makefile", "Containerfile"])
def test_nothing_is_installed_that_is_not_pinned(text: str) -> None:
    # PIP is what the others begin with
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line[:4] != "PIP "]
    commands = [command for line in lines for command in line.split("&&")]
    installs = [
        command for command in commands if re.search(r"pip .*(install|wheel)|\(PIP\)", command)
    ]
    assert len(installs) >= 2
    for install in installs:
        assert re.search(
            r"--require-hashes\s+-r requirements|--no-deps --no-(build-isolation|index)", install
        )
