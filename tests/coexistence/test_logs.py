"""Log records: which call they are of, and as JSON; never with a value."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import logging.config
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from coexistence import calls, logs
from coexistence.profile_actions import ActionStoreProfile, ActionSyncProfile
from tests.coexistence.calls import run, said
from tests.coexistence.conftest import UseSettings
from tests.coexistence.events import slot, tracker, user


def store_a_refused_value(**options: Any) -> Any:
    return said(user(), slot("name", "SECRET" * 20_000), **options)


async def test_our_records_name_the_action_and_the_conversation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await store_a_refused_value(sender_id="web-7", user_id="SECRET-user")
    (record,) = caplog.records
    assert (record.action, record.conversation) == ("action_sync_profile", "web-7")  # type: ignore[attr-defined]
    assert "SECRET" not in caplog.text


async def test_calls_at_once_are_not_mixed_up(caplog: pytest.LogCaptureFixture) -> None:
    async def call(kind: Any, sender_id: str) -> None:
        state = tracker(user(), slot("name", "x" * 100_000), sender_id=sender_id)
        await run(kind, state)

    await asyncio.gather(
        *(call(ActionSyncProfile, f"sync-{n}") for n in range(5)),
        *(call(ActionStoreProfile, f"store-{n}") for n in range(5)),
    )
    told = {(record.action, record.conversation) for record in caplog.records}  # type: ignore[attr-defined]
    assert told == {
        *(("action_sync_profile", f"sync-{n}") for n in range(5)),
        *(("action_store_profile", f"store-{n}") for n in range(5)),
    }


@pytest.mark.parametrize(
    ("how", "told"), [("plain", "web-7"), ("hashed", "08b9c31e2f76d7f2"), ("none", "")]
)
async def test_conversations_are_named_as_the_settings_say(
    how: str, told: str, use_settings: UseSettings, caplog: pytest.LogCaptureFixture
) -> None:
    use_settings(log_conversations=how)
    await store_a_refused_value(sender_id="web-7")
    (record,) = caplog.records
    assert record.conversation == told  # type: ignore[attr-defined]


def test_outside_of_a_call_there_is_nobody_to_name(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("coexistence.test").warning("started")
    (record,) = caplog.records
    assert (record.action, record.conversation) == ("", "")  # type: ignore[attr-defined]


def test_others_may_give_their_records_what_they_like(caplog: pytest.LogCaptureFixture) -> None:
    with calls.mentioned("action_x", "web-7"):
        logging.getLogger("actions.mine").warning("mine", extra={"action": "pay", "time": "now"})
    (record,) = caplog.records
    assert record.action == "pay"  # type: ignore[attr-defined]


def test_naming_calls_twice_names_them_once() -> None:
    made = logging.getLogRecordFactory()
    logs.name_calls()
    assert logging.getLogRecordFactory() is made


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the root logger writes as JSON."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logs.JSONFormatter())
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


async def test_a_record_is_one_line_of_json(written: io.StringIO) -> None:
    await store_a_refused_value(sender_id='we\n"bé')
    (line,) = lines(written)
    assert line.pop("time").endswith("Z")
    assert line.pop("message").startswith("Slot name is not stored: The value has 120002 bytes")
    assert line == {
        "level": "warning",
        "logger": "coexistence.exchange",
        "action": "action_sync_profile",
        "conversation": 'we\n"bé',
    }


def test_records_of_an_assistants_own_actions_name_the_call_as_json(written: io.StringIO) -> None:
    with calls.mentioned("action_pay", "web-7"):
        logging.getLogger("actions.pay").error("paid %s", "nothing")
    logging.getLogger("actions.pay").error("idle")
    called, idle = lines(written)
    assert (called["message"], called["action"], called["conversation"]) == (
        "paid nothing", "action_pay", "web-7",
    )  # fmt: skip
    assert {"action", "conversation"}.isdisjoint(idle)


def test_a_record_names_the_span_that_it_was_written_in(written: io.StringIO) -> None:
    with TracerProvider().get_tracer("x").start_as_current_span("sdk") as span:
        logging.getLogger("coexistence.test").warning("here")
    (line,) = lines(written)
    assert line["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert line["span_id"] == f"{span.get_span_context().span_id:016x}"


def test_an_exception_is_in_the_line(written: io.StringIO) -> None:
    try:
        raise ValueError("theirs")
    except ValueError:
        logging.getLogger("actions.pay").exception("failed")
    (line,) = lines(written)
    assert line["exception"].endswith("ValueError: theirs")
    assert len(written.getvalue().splitlines()) == 1


@contextlib.contextmanager
def handlers(*there: logging.Handler) -> Iterator[None]:
    """Let the root logger have some handlers, and not those of pytest, in a block."""
    root = logging.getLogger()
    assert logging.lastResort
    before, root.handlers, formatter = root.handlers, list(there), logging.lastResort.formatter
    try:
        yield
    finally:
        root.handlers = before
        logging.lastResort.setFormatter(formatter)
        logging.captureWarnings(False)


def test_a_spawned_worker_without_handlers_writes_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with warnings.catch_warnings(), handlers():
        warnings.simplefilter("always")
        logs.write("json")
        logging.getLogger("coexistence.test").warning("from a worker")
        warnings.warn("an old Rasa", stacklevel=1)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["logger"] for line in told] == ["coexistence.test", "py.warnings"]


def test_handlers_that_are_there_are_kept_and_write_json() -> None:
    text = io.StringIO()
    with handlers(logging.StreamHandler(text)):
        logs.write("json")
        logging.getLogger("rasa_sdk.executor").warning("theirs")
        assert len(logging.getLogger().handlers) == 1
    assert json.loads(text.getvalue())["logger"] == "rasa_sdk.executor"


def test_what_no_handler_takes_is_json_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    sanic = logging.getLogger("sanic.of.this.test")
    sanic.propagate = False
    with handlers():
        logs.write("json")
        sanic.warning("a worker ended")
    assert json.loads(capsys.readouterr().err)["message"] == "a worker ended"


def test_text_leaves_the_log_as_it_is() -> None:
    text = io.StringIO()
    with handlers(logging.StreamHandler(text)):
        logs.write("text")
        logging.getLogger("coexistence.test").warning("as it is")
    assert text.getvalue() == "as it is\n"


def test_the_formatter_can_be_named_in_a_logging_configuration() -> None:
    text = io.StringIO()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": "coexistence.logs.JSONFormatter"}},
            "handlers": {
                "text": {"class": "logging.StreamHandler", "formatter": "json", "stream": text}
            },
            "loggers": {"coexistence.configured": {"handlers": ["text"]}},
        }
    )
    logging.getLogger("coexistence.configured").error("said")
    assert json.loads(text.getvalue())["message"] == "said"
