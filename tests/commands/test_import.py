"""`coexist profile import`: what an export wrote is merged, and may be again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coexistence.commands import importing as command
from profile_store import ProfileKey, SlotWrite, SQLProfileStore, importing, listing
from tests.commands.conftest import ANN, BOB, IBAN, PHONE, Coexist, T, wait
from tests.conftest import Database, OpenStore
from tests.profile_store.sealed import NEW, OLD


@pytest.fixture
def everybody(known: SQLProfileStore, coexist: Coexist) -> str:
    """An export of everybody, in small batches."""
    return coexist("profile", "export", "--all").out


def line(**fields: Any) -> str:
    slots = {"name": {"value": "Ann", "written_at": T}}
    return json.dumps({"namespace": "bank", "user_id": "ann", "slots": slots, **fields}) + "\n"


def merged(done: Any) -> tuple[int, int, int, int]:
    counts = done.document
    return (counts["merged"], counts["unchanged"], counts["refused"], counts["refused_slots"])


def test_importing_twice_changes_nothing(everybody: str, coexist: Coexist) -> None:
    done = coexist("profile", "import", "-", stdin=everybody)
    assert (done.code, done.err, merged(done)) == (0, "", (0, 3, 0, 0))
    assert coexist("profile", "export", "--all").out == everybody


def test_another_namespace_gets_all_of_it(
    everybody: str, coexist: Coexist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    file = tmp_path / "all.jsonl"
    file.write_text(everybody)
    elsewhere = ("--namespace", "shop")
    done = coexist("profile", "import", file, *elsewhere, "--dry-run")
    assert merged(done) == (3, 0, 0, 0)
    assert done.document["dry_run"] is True
    assert coexist("profile", "export", "--all", *elsewhere).out == ""
    assert merged(coexist("profile", "import", file, *elsewhere)) == (3, 0, 0, 0)
    exported = coexist("profile", "export", "--all", *elsewhere).out
    assert exported == everybody.replace('"namespace":"bank"', '"namespace":"shop"')
    assert merged(coexist("profile", "import", file, *elsewhere)) == (0, 3, 0, 0)


def test_people_see_a_bar_and_a_sentence(everybody: str, coexist: Coexist, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    file.write_text(everybody)
    done = coexist("profile", "import", file, "--namespace", "shop", "--dry-run", terminal=True)
    assert done.out == (
        "3 profiles would be merged, 0 unchanged, 0 lines refused, 0 slots refused.\n"
    )
    assert "Importing" in done.err


def test_a_namespace_is_never_mistaken(everybody: str, coexist: Coexist) -> None:
    done = coexist("profile", "import", "-", stdin=everybody, settings={"namespace": "shop"})
    assert (done.code, merged(done)) == (1, (0, 0, 3, 0))
    assert done.complaints[0] == (
        "coexist: line 1: it is of namespace bank, and the settings' is shop; "
        "say with --namespace where it is to go."
    )


def test_what_is_newer_stays(everybody: str, known: SQLProfileStore, coexist: Coexist) -> None:
    wait(known.store(ANN, [SlotWrite("name", "Annabel", T + 20)]))
    wait(known.store(ANN, [SlotWrite("city", "Rome", T + 20)]))
    now = wait(known.export(ANN))
    assert merged(coexist("profile", "import", "-", stdin=everybody)) == (0, 3, 0, 0)
    assert wait(known.export(ANN)) == now


def test_what_was_erased_stays_erased(
    everybody: str, known: SQLProfileStore, coexist: Coexist
) -> None:
    wait(known.forget(ANN, at=T + 20))
    wait(known.forget(BOB, ["name"], at=T + 20))
    now = [wait(known.export(key)) for key in (ANN, BOB)]
    assert merged(coexist("profile", "import", "-", stdin=everybody)) == (0, 3, 0, 0)
    assert [wait(known.export(key)) for key in (ANN, BOB)] == now


def test_erasures_are_imported_and_erase(
    everybody: str, known: SQLProfileStore, coexist: Coexist
) -> None:
    """The export of before is imported first: the erasures that came later must win over it."""
    wait(known.forget(ANN, at=T + 20))
    wait(known.forget(BOB, ["name"], at=T + 20))
    later = coexist("profile", "export", "--all").out
    elsewhere = ("--namespace", "shop")
    coexist("profile", "import", "-", *elsewhere, stdin=everybody)
    assert merged(coexist("profile", "import", "-", *elsewhere, stdin=later)) == (2, 1, 0, 0)
    expected = later.replace('"namespace":"bank"', '"namespace":"shop"')
    assert coexist("profile", "export", "--all", *elsewhere).out == expected
    shop = [ProfileKey("shop", key.user_id) for key in (ANN, BOB, PHONE)]
    assert [len(wait(known.history(key))) for key in shop] == [0, 0, 2]


def test_an_erasure_leaves_a_newer_value_and_takes_the_history_before_it(
    known: SQLProfileStore, coexist: Coexist
) -> None:
    erased = {"name": {"value": None, "written_at": T, "erased": True}}
    assert merged(coexist("profile", "import", "-", stdin=line(slots=erased))) == (1, 0, 0, 0)
    assert wait(known.fetch(ANN))["name"] == "Anna"
    assert [write.value for write in wait(known.history(ANN, "name"))] == ["Anna"]
    assert merged(coexist("profile", "import", "-", stdin=line(slots=erased))) == (0, 1, 0, 0)


def test_a_live_server_sees_it_at_once(known: SQLProfileStore, coexist: Coexist) -> None:
    assert wait(known.fetch(ANN))["name"] == "Anna"
    newer = {"name": {"value": "Annabel", "written_at": T + 9}}
    coexist("profile", "import", "-", stdin=line(slots=newer))
    assert wait(known.fetch(ANN))["name"] == "Annabel"


BAD = [
    ("no JSON", "it is not JSON."),
    ("{", "it is not JSON. One profile is one line; `jq -c` makes it so."),
    (b"\xff\xfe", "it is not UTF-8."),
    ("[" * 100_000, "it is not JSON."),
    ("[]", "the line: Expected object, got array."),
    ("{}", "the line: Object missing required field namespace."),
    (line(slots={"n": {"value": float("nan"), "written_at": T}}), "it is not JSON."),
    (line(user_id=""), "namespace, user_id: The user id is empty"),
    (line(user_id=7), "user_id: Expected str, got int."),
    (line(secret=IBAN), "the line: Object contains unknown field secret."),
    (line(erased_at="now"), "erased_at: Expected float | null, got str."),
    (line(erased_at=-1), "erased_at: not a number of seconds since 1970."),
    (line(erased_at=9e9), "erased_at: it is ahead of the database's clock"),
    (line(slots=[]), "slots: Expected object, got array."),
    (line(slots={"n" * 300: {}}), "slots: The slot's name has 300 characters"),
    (line(slots={"n": 1}), "slots.n: Expected object, got int."),
    (line(slots={"n": {"value": IBAN}}), "slots.n.value: a slot that was erased or never"),
    (line(slots={"n": {"value": IBAN, "written_at": "x"}}), "slots.n.written_at: Expected"),
    (line(slots={"n": {"value": IBAN, "written_at": 0}}), "slots.n.written_at: not a number"),
    (line(slots={"n": {"written_at": T}}), "slots.n.value: missing."),
    (line(slots={"n": {"erased": True}}), "slots.n.written_at: missing; when was it erased?"),
    (line(history=[{"slot": "n"}]), "history[0]: Object missing required field written_at."),
    (line(history=[{"slot": "n", "written_at": T}]), "history[0].value: missing."),
    (line(history=[{"slot": "n", "value": IBAN, "written_at": -1}]), "history[0].written_at: not"),
]


@pytest.mark.parametrize(("bad", "problem"), BAD, ids=lambda part: str(part)[:40])
@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_bad_line_is_named_without_its_values_and_the_others_go_in(
    bank: SQLProfileStore, coexist: Coexist, bad: str | bytes, problem: str
) -> None:
    given = bad.encode() if isinstance(bad, str) else bad
    stdin = line(user_id="bob").encode() + b"\n" + given.rstrip(b"\n") + b"\n" + line().encode()
    done = coexist("profile", "import", "-", stdin=stdin)
    assert (done.code, merged(done)) == (1, (2, 0, 1, 0))
    (complaint,) = done.complaints
    assert complaint.startswith(f"coexist: line 3: {problem}")
    assert IBAN not in done.err
    assert wait(bank.fetch(ANN))["name"] == "Ann"


@pytest.mark.parametrize(
    ("slots", "reason"),
    [
        ({"x": {"value": "x" * 99, "written_at": T}}, "a value has 101 bytes as JSON, at most 50"),
        ({"x": {"value": 1, "written_at": 9e9}}, "it is ahead of the database's clock"),
        ({"x": {"value": 1, "written_at": T, "released_at": 9e9}}, "it is ahead of the database's"),
        ({"x": {"value": json.loads("[" * 200 + "]" * 200), "written_at": T}}, "The value is nest"),
        ({"w": {"value": 1, "written_at": T}, "x": {"value": 1, "written_at": T}}, "The profile h"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_slot_that_cannot_be_kept_is_named_and_the_others_are(
    bank: SQLProfileStore, coexist: Coexist, slots: dict[str, Any], reason: str
) -> None:
    given = line(slots={"name": {"value": "Ann", "written_at": T}, **slots})
    limits = {"max_value_bytes": "50", "max_slots": "2"}
    done = coexist("profile", "import", "-", stdin=given, settings=limits)
    assert (done.code, merged(done)) == (1, (1, 0, 0, 1))
    (complaint,) = done.complaints
    assert complaint.startswith(f"coexist: line 1: slot x: {reason}")
    profile = wait(bank.fetch(ANN))
    assert profile["name"] == "Ann"
    assert "x" not in profile


@pytest.mark.parametrize("backend", ["sqlite"])
def test_what_is_no_export_at_all_is_not_read_to_its_end(
    bank: SQLProfileStore, coexist: Coexist
) -> None:
    done = coexist("profile", "import", "-", stdin="no JSON\n" * 1000)
    assert done.code == 1
    assert len(done.complaints) == command.MOST_BAD + 1
    assert done.complaints[-1].endswith("is this an export?")


@pytest.mark.parametrize("backend", ["sqlite"])
def test_an_empty_file_is_an_export_of_nobody(bank: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "import", "-", stdin="\n")
    assert (done.code, merged(done)) == (0, (0, 0, 0, 0))


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_file_that_is_not_there_is_named(bank: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "import", "none.jsonl")
    assert (done.code, done.out) == (1, "")
    assert done.complaints == ["coexist: none.jsonl: No such file or directory"]


def test_one_user_on_two_lines_is_merged_like_any(bank: SQLProfileStore, coexist: Coexist) -> None:
    newer = {"name": {"value": "Anna", "written_at": T + 1}}
    done = coexist("profile", "import", "-", stdin=line(slots=newer) + line())
    assert merged(done) == (1, 1, 0, 0)
    assert wait(bank.fetch(ANN))["name"] == "Anna"


def test_two_at_once_end_in_the_same(
    bank: SQLProfileStore, database: Database, coexist: Coexist, tmp_path: Path
) -> None:
    async def fill() -> None:
        for number in range(120):
            key = ProfileKey("bank", f"user {number}")
            await bank.store(key, [SlotWrite("n", number, T), SlotWrite("m", 1, T + number)])

    wait(fill())
    given = coexist("profile", "export", "--all").out
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    one.write_text(given)
    other.write_text("".join(reversed(given.splitlines(keepends=True))))
    program = str(Path(sys.executable).with_name("coexist"))
    processes = [
        subprocess.Popen(
            [program, "profile", "import", str(file), "--namespace", "shop"],
            env={**os.environ, "PROFILE_STORE_URL": database.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for file in (one, other)
    ]
    counts = []
    for process in processes:
        out, err = process.communicate()
        assert process.returncode == 0, err
        counts.append(json.loads(out))
    assert sum(count["merged"] for count in counts) >= 120
    exported = coexist("profile", "export", "--all", "--namespace", "shop").out
    assert exported == given.replace('"namespace":"bank"', '"namespace":"shop"')


def test_sealed_values_are_sealed_anew(
    bank: SQLProfileStore, open_store: OpenStore, coexist: Coexist
) -> None:
    wait(open_store(encryption_keys=OLD).store(ANN, [SlotWrite("name", "Ann", T)]))
    given = coexist("profile", "export", "ann", settings={"encryption_keys": OLD}).out
    new = {"encryption_keys": NEW}
    elsewhere = ("--namespace", "shop")
    done = coexist("profile", "import", "-", *elsewhere, stdin=given, settings=new)
    assert merged(done) == (1, 0, 0, 0)
    shown = coexist("profile", "show", "ann", *elsewhere, "--history", settings=new)
    assert shown.document["history"][0]["value"] == "Ann"
    assert coexist("profile", "show", "ann", *elsewhere).code == 1
    again = coexist("profile", "import", "-", *elsewhere, stdin=given, settings=new)
    assert merged(again) == (0, 1, 0, 0)


def test_hashed_ids_come_back_where_the_key_is_the_same(
    bank: SQLProfileStore, open_store: OpenStore, coexist: Coexist
) -> None:
    hashed = {"user_id_key": OLD}
    source = {"system": "nlu", "action": None, "conversation": "web-7"}
    given = line(slots={"name": {"value": "Ann", "written_at": T, **source}})
    coexist("profile", "import", "-", stdin=given, settings=hashed)
    for whom in (["--all"], ["ann"]):
        before = coexist("profile", "export", *whom, settings=hashed).out
        assert "web-7" not in before
        again = coexist("profile", "import", "-", stdin=before, settings=hashed)
        assert merged(again) == (0, 1, 0, 0)
        for table in listing.schema.metadata.sorted_tables:
            with importing.opened(bank._config) as importer:
                importer._connection.execute(table.delete())
        back = coexist("profile", "import", "-", stdin=before, settings=hashed)
        assert merged(back) == (1, 0, 0, 0)
        assert coexist("profile", "export", *whom, settings=hashed).out == before
        assert coexist("profile", "show", "ann", settings=hashed).code == 0


def test_hashed_ids_go_nowhere_where_nobody_would_find_them(
    bank: SQLProfileStore, open_store: OpenStore, coexist: Coexist
) -> None:
    wait(open_store(user_id_key=OLD).store(ANN, [SlotWrite("name", "Ann", T)]))
    hashed = {"user_id_key": OLD}
    given = coexist("profile", "export", "--all", settings=hashed).out
    for settings, options, problem in [
        ({}, [], "is a hash of another profile_store.user_id_key"),
        ({"user_id_key": NEW}, [], "is a hash of another profile_store.user_id_key"),
        (hashed, ["--namespace", "shop"], "cannot go to another"),
    ]:
        done = coexist("profile", "import", "-", *options, stdin=given, settings=settings)
        assert (done.code, merged(done)) == (1, (0, 0, 1, 0))
        assert problem in done.complaints[0]
    plain = coexist("profile", "export", "ann", settings=hashed).out
    assert merged(coexist("profile", "import", "-", "--namespace", "shop", stdin=plain))[0] == 1
    assert wait(bank.fetch(ProfileKey("shop", "ann")))["name"] == "Ann"
