"""A coverage-guided fuzzer of what a server reads: `python -m tests.faults.webhook_fuzzer FOLDER`.

libFuzzer (by `atheris`) varies bodies, keeps those that reach code that no other reached, and
varies these. The first byte of an input says how its rest is sent. An input that is answered with
a 500, or that raises, ends the run and is left in the folder; given as an argument in the place of
options, it is run once.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import atheris
from google.protobuf.json_format import MessageToDict, ParseDict, SerializeToJsonError
from google.protobuf.message import DecodeError
from rasa_sdk.grpc_py import action_webhook_pb2 as messages

# Before anything of it is imported: only what is fuzzed is watched.
with atheris.instrument_imports(include=["coexistence", "profile_store", "actions"]):
    import actions  # noqa: F401
    import coexistence.grpc_service
    import coexistence.webhook  # noqa: F401

from tests.faults import bodies
from tests.faults.in_process import DEFLATED, GRPC, PLAIN, Server

LARGEST = 8_192
"""Bytes of an input; large enough for each kind of call, small enough to vary all of it."""
ANSWERS = "answers.json"
"""The file that says how often which status was answered."""
TOLD_EVERY = 1_000
WAYS = bytes(range(4))
AS_BYTES = 0.1
"""How often bytes are varied, whatever they stand for."""
AFRESH = 0.4
"""How often a call as Rasa sends it is varied in the place of one that was varied before."""


def seed(folder: Path) -> Path:
    """Write what to begin with, and return its folder."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for action in bodies.ACTIONS:
        for way in WAYS:
            content = bodies.as_message(action) if way == GRPC else bodies.as_json(action)
            (corpus / f"{action}-{way}").write_bytes(bytes([way]) + content)
    words = "".join(
        '"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"\n' for word in bodies.WORDS
    )
    (folder / "words").write_text(words)
    return corpus


def mutate(data: bytes, largest: int, seed: int) -> bytes:
    """Return a varied input: a part of its call varied, or its bytes; or another call's.

    Bytes alone would soon be no JSON any more, and nothing behind the decoder be reached.
    """
    dice = random.Random(seed)
    if not data or dice.random() < AS_BYTES:
        mutated: bytes = atheris.Mutate(data, largest)
        return mutated
    way, call = data[0] % len(WAYS), decoded(data)
    if call is None or dice.random() < AFRESH:
        way = dice.choice((PLAIN, PLAIN, PLAIN, DEFLATED, GRPC))
        call = bodies.body(dice.choice(bodies.ACTIONS), dice.randrange(bodies.USERS))
    varied = bytes([way]) + encoded(bodies.vary(call, dice), way)
    return varied if len(varied) <= largest else data


def decoded(data: bytes) -> Any:
    """Return the call that an input is, None when it is none."""
    try:
        if data[0] % len(WAYS) == GRPC:
            request = messages.WebhookRequest.FromString(data[1:])
            return MessageToDict(request, preserving_proto_field_name=True)
        return json.loads(data[1:])
    except (ValueError, RecursionError, DecodeError, SerializeToJsonError):
        return None


def encoded(call: Any, way: int) -> bytes:
    """Return a call as it is sent; the empty message for one that no message can hold."""
    if way != GRPC:
        return json.dumps(call).encode()
    request = messages.WebhookRequest()
    with contextlib.suppress(Exception):  # protobuf's errors are many; what was read is kept
        ParseDict(call, request, ignore_unknown_fields=True)
    message: bytes = request.SerializeToString()
    return message


def main() -> None:
    """Fuzz with libFuzzer's options, such as `-runs=80000`."""
    folder, options = Path(sys.argv[1]), sys.argv[2:]
    with Server(folder) as server:
        answers: Counter[str] = Counter()

        def run(data: bytes) -> None:
            way = data[0] % len(WAYS) if data else PLAIN
            answers[str(server.answer(data[1:], way))] += 1
            if answers.total() % TOLD_EVERY == 0:
                # libFuzzer ends the process itself
                (folder / ANSWERS).write_text(json.dumps(answers))

        corpus = seed(folder)
        atheris.Setup(
            [sys.argv[0], f"-dict={folder / 'words'}", f"-max_len={LARGEST}",
             f"-artifact_prefix={folder}/", "-print_final_stats=1", *options, str(corpus)],
            run,
            custom_mutator=mutate,
        )  # fmt: skip
        atheris.Fuzz()


if __name__ == "__main__":
    main()
