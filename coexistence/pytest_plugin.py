"""The pytest plug-in: a fixture `conversation`, and what it is made of.

Every test-suite of an environment loads it, so that it imports nothing but pytest until a test asks
for a fixture.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ImportError as missing:
    raise ImportError(
        "The pytest plug-in needs pytest; run: pip install 'rasa-coexistence[testing]'"
    ) from missing

if TYPE_CHECKING:
    from coexistence.testing import Conversation

_DOMAINS = ("domain.yml", "domain")
_INI = (
    ("rasa_domain", "", "The assistant's domain, a file or a folder (domain.yml, or domain)."),
    ("rasa_actions", "actions", "The module or package of actions, or a server's http:// address."),
    ("rasa_endpoints", "endpoints.yml", "The file whose `profile_store:` says what is shared."),
    ("rasa_version", "", "The version of Rasa whose rules are applied (3.21.0)."),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare where the assistant is, from the root folder of the tests."""
    group = parser.getgroup("rasa", "Rasa assistants in coexistence")
    group.addoption(
        "--rasa-over-http",
        action="store_true",
        help="Run actions in an action server, a new one for each test, instead of in process.",
    )
    for name, default, text in _INI:
        parser.addini(name, text, default=default)


@pytest.fixture(scope="session")
def rasa_domain(pytestconfig: pytest.Config) -> Mapping[str, Any] | str | Path:
    """The domain: a mapping, or the path of a file or folder. Override it where tests need other.

    By default the one that the ini option `rasa_domain` names.
    """
    root = pytestconfig.rootpath
    named = str(pytestconfig.getini("rasa_domain"))
    there = [name for name in _DOMAINS if (root / name).exists()]
    return root / (named or [*there, *_DOMAINS][0])


@pytest.fixture(scope="session")
def rasa_actions(pytestconfig: pytest.Config) -> Any:
    """The actions: a module or its name, a list of classes, or the address of an action server.

    By default what the ini option `rasa_actions` names.
    """
    return str(pytestconfig.getini("rasa_actions"))


@pytest.fixture(scope="session")
def rasa_settings(pytestconfig: pytest.Config) -> Mapping[str, Any]:
    """The settings of `profile_store:`; by default those of the endpoints file on what is kept.

    Where it is kept, and how it is encrypted, is left out: tests have a database of their own.
    """
    from coexistence.testing.private import behaviour

    return behaviour(pytestconfig.rootpath / str(pytestconfig.getini("rasa_endpoints")))


@pytest.fixture
def conversation(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rasa_domain: Mapping[str, Any] | str | Path,
    rasa_actions: Any,
    rasa_settings: Mapping[str, Any],
) -> Iterator[Conversation]:
    """One user's conversation with the assistant, on an empty profile store of its own."""
    from coexistence.testing import Conversation, serve
    from coexistence.testing.conversation import RASA_VERSION

    config = request.config
    version = str(config.getini("rasa_version")) or RASA_VERSION
    monkeypatch.syspath_prepend(config.rootpath)
    with contextlib.ExitStack() as opened:
        if config.getoption("--rasa-over-http") and "://" not in str(rasa_actions):
            if not isinstance(rasa_actions, str):
                pytest.fail("--rasa-over-http serves a module: let rasa_actions name one.")
            rasa_actions = opened.enter_context(
                serve(rasa_actions, settings=rasa_settings, path=config.rootpath)
            )
        yield opened.enter_context(
            Conversation(
                rasa_domain,
                rasa_actions,
                settings=rasa_settings,
                folder=tmp_path,
                rasa_version=version,
            )
        )
