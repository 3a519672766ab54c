"""What the documentation says is so: names, settings, commands, links, examples, architecture."""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main
from rasa_sdk import Action
from ruamel.yaml import YAML

import coexistence
import coexistence.testing
import profile_store
from coexistence import profile_actions, pytest_plugin
from coexistence import settings as coexistence_settings
from coexistence.authentication import configuration
from coexistence.cli import app
from coexistence.settings import Settings
from profile_store import endpoints, settings
from profile_store.conformance.contract import Contract

CHECKOUT = Path(__file__).resolve().parents[1]
README = CHECKOUT / "README.md"
DOCS = CHECKOUT / "docs"
PAGES = [README, CHECKOUT / "CHANGELOG.md", CHECKOUT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
PACKAGES = [coexistence, profile_store]

MOST_LINES = 350

TEXT = {page.relative_to(CHECKOUT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
ALL_TEXT = "\n".join(TEXT.values())


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str


def blocks(language: str) -> list[Any]:
    """Return the blocks of a language, as parameters of a test."""
    found = []
    for page, text in TEXT.items():
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            if match[1] == language:
                line = text.count("\n", 0, match.start()) + 1
                found.append(
                    pytest.param(Block(page, line, language, match[2]), id=f"{page}:{line}")
                )
    assert found
    return found


def prose(text: str) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


# Generated parts


def generate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(folder / "generate.py"), *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_generated_parts_are_current() -> None:
    checked = generate(DOCS, "--check")
    assert checked.returncode == 0, checked.stderr


def test_a_stale_part_is_noticed_and_rewritten(tmp_path: Path) -> None:
    copy = tmp_path / "docs"
    shutil.copytree(DOCS, copy)
    page = copy / "settings.md"
    right = page.read_text(encoding="utf-8")
    page.write_text(right.replace("| `max_slots` |", "| `max_slot` |"), encoding="utf-8")
    checked = generate(copy, "--check")
    assert checked.returncode == 1
    assert checked.stderr == "stale: settings.md; run: python docs/generate.py\n"
    assert generate(copy).returncode == 0
    assert page.read_text(encoding="utf-8") == right


# Names


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_described(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description
    assert field.description in TEXT["docs/settings.md"] or f"`{name}." in TEXT["docs/settings.md"]


@pytest.mark.parametrize(
    "action",
    [
        action
        for _, action in inspect.getmembers(profile_actions, inspect.isclass)
        if issubclass(action, Action) and action.__module__ == profile_actions.__name__
    ],
    ids=lambda action: action.__name__,
)
def test_every_action_is_documented(action: type[Action]) -> None:
    assert f"`{action().name()}`" in TEXT["docs/actions.md"]


def modules(package: Any) -> Iterator[Any]:
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".migrations" not in found.name and not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def errors() -> list[type[Exception]]:
    roots = (coexistence.CoexistenceError, profile_store.ProfileStoreError)
    return sorted(
        {
            member
            for package in PACKAGES
            for module in modules(package)
            for name, member in inspect.getmembers(module, inspect.isclass)
            if issubclass(member, roots) and not name.startswith("_")
        },
        key=lambda error: error.__name__,
    )


@pytest.mark.parametrize("error", errors(), ids=lambda error: error.__name__)
def test_every_error_is_documented(error: type[Exception]) -> None:
    assert f"`{error.__name__}`" in TEXT["docs/errors.md"]


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package in PACKAGES for name in package.__all__]
)
def test_every_public_name_is_documented(package: Any, name: str) -> None:
    member = getattr(package, name)
    own = vars(member).get("__doc__") if inspect.isclass(member) else member.__doc__
    assert own, f"{name} has no docstring"
    assert f"`{name}`" in TEXT["docs/python.md"]


def test_public_names_are_listed_in_order() -> None:
    for package in PACKAGES:
        assert package.__all__ == sorted(package.__all__)


def commands(path: str, command: Any) -> Iterator[str]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(f"{path} {name}", inner)


def test_the_commands_that_pages_name_exist() -> None:
    known = set(commands("coexist", typer.main.get_command(app)))
    groups = {path.rpartition(" ")[0] for path in known}
    for page, text in TEXT.items():
        for named in re.findall(r"(?:bin/|`|^)(coexist(?: [a-z-]+)*)", text, re.MULTILINE):
            words = named.split()
            while len(words) > 1 and " ".join(words) not in known:
                assert " ".join(words[:-1]) not in groups, f"{page}: {named}"
                words.pop()


def test_the_make_targets_that_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", ALL_TEXT, re.MULTILINE))
    assert {"serve", "test"} <= named
    assert named <= targets


def test_the_variables_that_pages_name_are_settings() -> None:
    known = {f"{endpoints.ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    known.add(endpoints.ENDPOINTS_VARIABLE)
    named = set(re.findall(r"PROFILE_STORE_[A-Z_]+\b", ALL_TEXT))
    assert named
    assert named <= known


# Links


def links() -> list[Any]:
    found = []
    for page in (*PAGES, CHECKOUT / "examples" / "README.md"):
        if not page.exists():
            continue  # whoever links to it fails
        text = prose(page.read_text(encoding="utf-8"))
        for target in re.findall(r"(?:\]\(|src=\")([^)\"\s]+)", text):
            if not re.match(r"[a-z]+:", target):
                name = page.relative_to(CHECKOUT).as_posix()
                found.append(pytest.param(page, target, id=f"{name} -> {target}"))
    assert found
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "target"), links())
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    assert there.exists()
    if anchor:
        assert anchor in anchors(there)


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)#\s]+)", prose(page.read_text(encoding="utf-8")))
        waiting.extend((page.parent / target).resolve() for target in targets)
    assert {page.name for page in DOCS.glob("*.md")} <= {page.name for page in reached}


# Examples


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_can_be_read(block: Block) -> None:
    assert YAML(typ="safe", pure=True).load(block.text) is not None


@pytest.mark.parametrize("block", blocks("json"))
def test_json_can_be_read(block: Block) -> None:
    assert json.loads(block.text) is not None


@pytest.mark.parametrize("block", blocks("python"))
def test_python_can_be_read(block: Block) -> None:
    assert ast.parse(block.text).body


@pytest.mark.parametrize(
    "block", [param for param in blocks("yaml") if "profile_store:\n" in param.values[0].text]
)
def test_settings_that_pages_show_are_possible(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in list(os.environ):
        if variable.startswith(endpoints.ENV_PREFIX):
            monkeypatch.delenv(variable)
    for variable in re.findall(r"\$\{(\w+)\}", block.text):
        key = hashlib.sha256(variable.encode()).digest()
        secret = base64.urlsafe_b64encode(key).decode() if "KEY" in variable else "p@ss/w:rd"
        monkeypatch.setenv(variable, secret)
    file = tmp_path / "endpoints.yml"
    file.write_text(block.text, encoding="utf-8")
    section = endpoints.read_section(file)
    assert section
    settings.make(Settings, section)


@pytest.mark.parametrize(
    "block",
    [param for param in blocks("yaml") if param.values[0].text.startswith("action_endpoint:\n")],
)
def test_secrets_that_pages_show_are_asked_for(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in list(os.environ):
        if variable.startswith(endpoints.ENV_PREFIX):
            monkeypatch.delenv(variable)
    for variable in re.findall(r"\$\{(\w+)\}", block.text):
        monkeypatch.setenv(variable, "s3same")
    file = tmp_path / "endpoints.yml"
    file.write_text(block.text, encoding="utf-8")
    monkeypatch.setenv(endpoints.ENDPOINTS_VARIABLE, str(file))
    assert len(configuration.sent_by_rasa()) == 1
    assert len(configuration.load(coexistence_settings.load())) >= 1


def test_the_script_that_uses_the_store_works(tmp_path: Path) -> None:
    (script,) = [
        param.values[0].text
        for param in blocks("python")
        if param.values[0].page == "docs/python.md"
    ]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(endpoints.ENV_PREFIX)
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("en\n", "")


@pytest.fixture
def assistant(tmp_path: Path) -> Path:
    """The assistant and the tests of docs/testing.md, as the page spells them."""
    shown = [
        param.values[0].text
        for param in [*blocks("yaml"), *blocks("python")]
        if param.values[0].page == "docs/testing.md"
    ]
    for text in shown:
        named = re.match(r"# (\S+\.(?:py|yml))\n", text)
        file = tmp_path / (named[1] if named else "script.py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        pytest.param(("-m", "pytest", "-q"), "4 passed", id="pytest"),
        pytest.param(("script.py",), "", id="script"),
    ],
)
def test_the_page_on_testing_can_be_followed(
    assistant: Path, arguments: tuple[str, ...], passed: str
) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=assistant,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert passed in done.stdout


def test_the_readmes_test_passes_with_the_example_assistant(tmp_path: Path) -> None:
    (test,) = [
        param.values[0].text
        for param in blocks("python")
        if param.values[0].page == "README.md" and "def test_" in param.values[0].text
    ]
    (tmp_path / "test_readme.py").write_text(test, encoding="utf-8")
    domain = CHECKOUT / "examples" / "assistant" / "domain.yml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", f"rasa_domain={domain}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_fixtures_and_settings_of_the_tests_are_documented() -> None:
    source = inspect.getsource(pytest_plugin)
    page = TEXT["docs/testing.md"]
    fixtures = re.findall(r"@pytest\.fixture.*\ndef (\w+)", source)
    settings_of_tests = re.findall(r'^    \("(\w+)", ', source, re.MULTILINE)
    options = re.findall(r'"(--[a-z-]+)"', source)
    assert len(fixtures) == len(settings_of_tests) == 4
    for name in [*fixtures, *settings_of_tests, *options]:
        assert name in page


def test_the_names_of_the_test_kit_are_documented_in_order() -> None:
    assert coexistence.testing.__all__ == sorted(coexistence.testing.__all__)
    for name in coexistence.testing.__all__:
        assert f"`{name}`" in TEXT["docs/testing.md"]


def test_the_store_that_a_page_shows_passes_the_kit(tmp_path: Path) -> None:
    shown = {
        param.values[0].text
        for param in blocks("python")
        if param.values[0].page == "docs/stores.md" and "MemoryStore" in param.values[0].text
    }
    (store,) = (text for text in shown if "class MemoryStore(ProfileStore):" in text)
    (suite,) = (text for text in shown if "class TestMemoryStore(StoreConformance):" in text)
    (tmp_path / "memory_store.py").write_text(store, encoding="utf-8")
    (tmp_path / "test_memory_store.py").write_text(suite, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d{3} passed, \d+ skipped in", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize(
    "name", [*Contract.__annotations__, "open_store", "open_unreachable_store", "database"]
)
def test_what_the_kit_takes_from_its_users_is_documented(name: str) -> None:
    assert hasattr(Contract, name)
    assert re.search(rf"`{name}\b", TEXT["docs/stores.md"])


# Architecture


def test_imports_point_one_way() -> None:
    linted = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout
    assert "3 kept, 0 broken" in linted.stdout


@pytest.mark.parametrize(
    "module",
    [
        path.relative_to(CHECKOUT).as_posix()
        for package in ("actions", "coexistence", "migrations", "profile_store")
        for path in sorted((CHECKOUT / package).rglob("*.py"))
    ],
)
def test_a_module_can_be_read_in_one_sitting(module: str) -> None:
    lines = len((CHECKOUT / module).read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES
