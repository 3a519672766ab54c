"""`coexist demo`, from the outside."""

from __future__ import annotations

import contextlib
import html
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from coexistence.demo.domain import PROFILE_ACTIONS, SHOWN
from tests.demo.conftest import END_SECONDS, UNUSABLE_SETTINGS, Demo, StartDemo

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "demo.svg"

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc"
)


def fates(output: str, slot: str) -> list[tuple[str, str]]:
    """Return what became of a slot in each scene: with Rasa alone, and with the profile store."""
    rows = re.findall(rf"^{slot} +(.+?) {{2,}}(.+?) *$", output, re.MULTILINE)
    assert len(rows) == 6, output
    return rows


def words(output: str) -> set[str]:
    """Return the words and names in an output, without figures, rules and punctuation."""
    found = {word.strip(".,") for word in output.split()}
    return {word for word in found if word and not re.search(r"\d|─", word)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo without pauses, for all that looks at what it says."""
    demo = Demo(tmp_path_factory.mktemp("demo"), ("--fast",), {"COLUMNS": "96"})
    try:
        assert demo.end() == 0, demo.errors
        yield demo
    finally:
        demo.close()


def test_without_the_store_slots_are_lost_and_told_again(played: Demo) -> None:
    assert [alone for alone, _ in fates(played.output, "customer_name")] == [
        "told: Ann", "Ann", "Ann", "Ann", "Ann → lost → told again: Ann", "Ann → lost",
    ]  # fmt: skip
    assert fates(played.output, "language")[1][0] == "English → lost"
    assert fates(played.output, "account")[4][0] == "savings → lost"


def test_with_the_store_each_lost_slot_comes_back(played: Demo) -> None:
    assert fates(played.output, "language")[1][1] == "English → lost → back: English"
    for slot, value in (("customer_name", "Ann"), ("language", "English"), ("account", "savings")):
        back = f"{value} → lost → back: {value}"
        assert [with_store for _, with_store in fates(played.output, slot)[4:]] == [back, back]


def test_a_flows_own_slot_goes_with_its_flow_on_both_sides(played: Demo) -> None:
    dropped = "Bob → dropped with its flow"
    assert fates(played.output, "recipient")[3] == (dropped, dropped)
    assert fates(played.output, "recipient")[4] == ("-", "-")


def test_the_bot_asks_again_without_the_store_only(played: Demo) -> None:
    assert re.search(r"Hello! What is your name\? +Welcome back, Ann\.", played.output)
    assert re.search(r"From everyday or savings\? +Eve is paid from savings, Ann\.", played.output)


def test_it_counts_what_was_lost_and_what_came_back(played: Demo) -> None:
    assert "Rasa alone: 4 values lost, none came back, 2 told again." in played.output
    assert "8 values lost, all 8 came back, none told again." in played.output


def test_it_shows_which_actions_were_called_with_status_and_time(played: Demo) -> None:
    assert re.search(
        r"Rasa's action_reset_routing +action_reset_routing 200, \d+ ms", played.output
    )
    assert re.search(
        r"Rasa's action_session_start +action_session_start 200, \d+ ms", played.output
    )


def test_it_says_which_system_answered(played: Demo) -> None:
    assert re.search(r"^bot, NLU +Nice to meet you, Ann\.", played.output, re.MULTILINE)
    assert re.search(r"^bot, CALM +Bob is paid from savings", played.output, re.MULTILINE)


def test_it_ends_with_what_to_do_next(played: Demo) -> None:
    assert played.output.index("make serve") < played.output.index("make test")


def test_piped_output_has_no_escape_codes(played: Demo) -> None:
    assert "\x1b" not in played.output


def test_it_says_nothing_on_the_error_stream(played: Demo) -> None:
    assert played.errors == ""


def test_it_leaves_no_file_behind(played: Demo) -> None:
    assert played.leftovers() == []


@needs_proc
def test_it_leaves_no_process_behind(played: Demo) -> None:
    assert played.processes() == []


def test_the_readmes_picture_shows_this_demo_and_fetches_nothing(played: Demo) -> None:
    picture = PICTURE.read_text(encoding="utf-8")
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", picture)
    shown = html.unescape(" ".join(texts)).replace("\N{NO-BREAK SPACE}", " ")

    assert words(shown) - {"$"} <= words(played.output) | {"coexist", "demo"}
    assert "all 8 came back" in shown
    assert re.findall(r"https?://[^\s\"]+", picture) == ["http://www.w3.org/2000/svg"]
    assert "@import" not in picture
    assert len(picture.encode()) < 150_000


@pytest.mark.parametrize("columns", ["60", "120"])
def test_no_word_is_cut_at_any_usual_width(
    start_demo: StartDemo, played: Demo, columns: str
) -> None:
    demo = start_demo("--fast", COLUMNS=columns)

    assert demo.end() == 0, demo.errors
    lines = demo.output.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert "…" not in demo.output
    for slot in SHOWN:
        assert sum(line.startswith(f"{slot}  ") for line in lines) == 6
    for action in (*PROFILE_ACTIONS, "action_greet", "action_pay"):
        assert re.search(rf"\b{action}\b", demo.output)
    assert words(demo.output) <= words(played.output)


def test_the_users_own_settings_are_not_read(start_demo: StartDemo) -> None:
    demo = start_demo(
        "--fast",
        PROFILE_STORE_URL="rubbish://",
        PROFILE_STORE_ENDPOINTS="/no/such/file.yml",
        PROFILE_STORE_NO_SUCH_SETTING="1",
        ACTION_SERVER_SANIC_WORKERS="none",
        SANIC_HOST="203.0.113.1",
    )

    assert demo.end() == 0, demo.errors


def test_an_endpoints_file_in_the_folder_is_neither_read_nor_touched(played: Demo) -> None:
    assert played.process.returncode == 0
    assert played.endpoints.read_text() == UNUSABLE_SETTINGS


def test_two_at_once_do_not_disturb_each_other(start_demo: StartDemo) -> None:
    demos = [start_demo("--fast"), start_demo("--fast")]

    assert [demo.end() for demo in demos] == [0, 0]
    for demo in demos:
        assert "all 8 came back" in demo.output


@needs_proc
@pytest.mark.parametrize(
    "said",
    [
        pytest.param("Starting an action server", id="while the server starts"),
        pytest.param("2. The skill ends", id="in the middle"),
    ],
)
def test_ctrl_c_ends_it_and_its_server(start_demo: StartDemo, said: str) -> None:
    demo = start_demo()
    demo.read_until(said)

    os.killpg(demo.process.pid, signal.SIGINT)

    assert demo.end() == 130
    assert demo.errors == ""
    assert demo.processes() == []
    assert demo.leftovers() == []


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_and_a_closed_terminal_end_the_server_too(
    start_demo: StartDemo, number: signal.Signals
) -> None:
    demo = start_demo()
    demo.read_until("1. A skill in NLU")
    assert demo.processes() != []

    demo.process.send_signal(number)

    assert demo.end() == 128 + number
    assert demo.processes() == []
    assert demo.leftovers() == []


@needs_proc
def test_a_reader_that_goes_away_ends_the_server_too(start_demo: StartDemo) -> None:
    demo = start_demo("--fast")
    demo.read_until("is ready after")
    assert demo.process.stdout is not None
    demo.process.stdout.close()

    demo.process.wait(END_SECONDS)

    assert demo.processes() == []
    assert demo.leftovers() == []


@needs_proc
def test_a_server_that_dies_ends_it_with_one_line(start_demo: StartDemo) -> None:
    demo = start_demo()
    demo.read_until("1. A skill in NLU")
    for process in demo.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    assert demo.end() == 1
    assert re.fullmatch(r"coexist demo: the action server did not answer .+\n", demo.errors)
    assert demo.leftovers() == []


def test_a_server_that_does_not_start_ends_it_with_one_line(
    start_demo: StartDemo, tmp_path: Path
) -> None:
    # read by every Python at its start
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'rasa_sdk' in sys.orig_argv:\n"
        "    os.write(2, b'a traceback\\nno server today\\n')\n"
        "    os._exit(1)\n"
    )

    demo = start_demo("--fast", PYTHONPATH=str(tmp_path))

    assert demo.end() == 1
    assert demo.errors == ("coexist demo: the action server ended at its start: no server today\n")
    assert demo.leftovers() == []
