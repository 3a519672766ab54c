"""The pytest plug-in, in projects of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = "pytester"

ROOT = Path(__file__).resolve().parents[2]

# as a project may have it: the settings and plug-ins of this repository's tests are not there
INI = "[pytest]\npythonpath = .\naddopts = -p no:cacheprovider\n"

# what is not closed fails a test
LEFT_OPEN = ("-W", "error::ResourceWarning",
             "-W", "error::pytest.PytestUnraisableExceptionWarning")  # fmt: skip

ACTIONS = """
import coexistence
from rasa_sdk import Action

coexistence.install()


class ActionHello(Action):
    def name(self):
        return "action_hello"

    async def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text=f"Hello {tracker.get_slot('customer_name')}!")
        return []
"""
DOMAIN = """
slots:
  route_session_to_calm: {type: bool, influence_conversation: false}
  customer_name: {type: text, shared_for_coexistence: true}
  language: {type: text}
actions: [action_hello, action_fetch_profile, action_reset_routing, action_session_start]
"""
TEST = """
def test_what_is_kept_comes_back(conversation):
    conversation.nlu_turn("I am Ann", slots={"customer_name": "Ann", "language": "en"})
    conversation.reset_routing()
    conversation.new_session(carry_over=False)
    assert conversation.calm_turn("hi", action="action_hello").text == "Hello Ann!"
    assert conversation.slots["language"] == "en"

def test_each_test_begins_with_an_empty_store(conversation):
    assert conversation.nlu_turn("hi", action="action_fetch_profile").status == 200
    assert conversation.slots["customer_name"] is None
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makefile(".ini", pytest=INI)
    pytester.makefile(".yml", domain=DOMAIN)
    pytester.makefile(".yml", endpoints="profile_store: {shared_slots: {include: [language]}}")
    package = pytester.mkpydir("actions")
    (package / "__init__.py").write_text(ACTIONS)
    return pytester


def test_a_project_in_rasas_usual_shape_needs_no_setting(project: pytest.Pytester) -> None:
    project.makepyfile(TEST)
    project.runpytest_subprocess(*LEFT_OPEN).assert_outcomes(passed=2)


def test_the_same_tests_run_over_http(project: pytest.Pytester) -> None:
    project.makepyfile(TEST)
    project.runpytest_subprocess("--rasa-over-http").assert_outcomes(passed=2)


def test_a_project_of_another_shape_says_where_things_are(project: pytest.Pytester) -> None:
    shutil.move(project.path / "actions", project.path / "skills")
    shutil.move(project.path / "endpoints.yml", project.path / "live.yml")
    (project.path / "assistant").mkdir()
    shutil.move(project.path / "domain.yml", project.path / "assistant" / "all.yml")
    (project.path / "pytest.ini").write_text(
        INI + "rasa_domain = assistant\nrasa_actions = skills\nrasa_endpoints = live.yml\n"
        "rasa_version = 3.12.0\n"
    )
    project.makepyfile(TEST + "    assert conversation._rasa.rasa_version == '3.12.0'\n")
    project.runpytest_subprocess().assert_outcomes(passed=2)


def test_fixtures_can_be_overridden_for_some_tests(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from rasa_sdk import Action

        class Echo(Action):
            def name(self):
                return "action_echo"

            async def run(self, dispatcher, tracker, domain):
                dispatcher.utter_message(text=tracker.latest_message["text"])
                return []

        @pytest.fixture
        def rasa_domain():
            return {"actions": ["action_echo"]}

        @pytest.fixture
        def rasa_actions():
            return [Echo]

        def test_it(conversation):
            assert conversation.nlu_turn("hi", action="action_echo").text == "hi"
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)
    served = project.runpytest_subprocess("--rasa-over-http")
    served.stdout.fnmatch_lines(["*let rasa_actions name one*"])


def test_what_rasa_would_not_take_is_a_failure_with_its_reason(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(conversation):
            conversation.nlu_turn("hi", action="action_goodbye")
        """
    )
    ran = project.runpytest_subprocess()
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["E *ImpossibleTurn: The domain does not list action_goodbye*"])


def test_a_project_without_a_domain_is_told_so(project: pytest.Pytester) -> None:
    (project.path / "domain.yml").unlink()
    project.makepyfile(TEST)
    ran = project.runpytest_subprocess()
    ran.assert_outcomes(errors=2)
    ran.stdout.fnmatch_lines(["E *domain*cannot be read*"])


def test_a_suite_that_does_not_use_it_is_not_kept_waiting(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("rasa_coexistence")
            heavy = {"rasa_sdk", "sanic", "sqlalchemy", "pydantic", "msgspec", "profile_store"}
            assert not heavy & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess(
        "-p", "no:asyncio", "-W", "error", "--strict-config"
    ).assert_outcomes(passed=1)


def test_a_suite_may_have_a_fixture_of_the_same_name(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def conversation():
            return "mine"

        def test_it(conversation):
            assert conversation == "mine"
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_without_pytest_it_names_the_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c",
         "import sys; sys.modules['pytest'] = None\nimport coexistence.pytest_plugin"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert "pip install 'rasa-coexistence[testing]'" in done.stderr


def test_the_kit_itself_needs_no_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from coexistence.testing import Conversation\n"
        "with Conversation({'slots': {}}, []) as c: c.nlu_turn('x')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
