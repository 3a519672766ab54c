"""`make bench`: the profile actions against the bare SDK, as ratios of one run.

Interleaved rounds, medians and spread, targets beside the figures; the same as JSON in
`benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import bodies, load
from benchmarks.load import Load
from benchmarks.servers import Server, running
from profile_store import ProfileKey, SlotWrite, SQLProfileStore, migrate
from profile_store.settings import StoreSettings
from tests.databases import PostgresServer, ServerNotFound

RESULTS = Path(__file__).parent / "results"
MEMORY_CALLS = 100_000
MEMORY_LIMIT_MB = 150
MEMORY_SAMPLES = 20

console = Console()


class Case(NamedTuple):
    """One thing to measure, and what it is compared with."""

    name: str
    server: str
    action: str
    said: int
    against: str | None = None
    target: float | None = None


def cases_of(way: str, targets: dict[str, tuple[float, float]]) -> list[Case]:
    """Return what is measured over one way in; the targets are of a fetch and of a store."""
    bare = f"{way}, bare SDK"
    no_op, constants = f"no-op, {bare}", f"20 constant slots, {bare}"
    found = [
        Case(no_op, f"{way} bare", "action_nothing", bodies.STORED_SLOTS),
        Case(constants, f"{way} bare", "action_constants", 0),
    ]
    for database, (fetch, store) in targets.items():
        server = f"{way} {database}"
        found += [
            Case(f"fetch 20 slots, {way}, {database}", server, "action_fetch_profile", 0,
                 constants, fetch),
            Case(f"store 5 slots, {way}, {database}", server, "action_store_profile",
                 bodies.STORED_SLOTS, no_op, store),
        ]  # fmt: skip
    return found


SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
CASES = [
    *cases_of("HTTP", {SQLITE: (0.8, 0.65), POSTGRESQL: (0.55, 0.4)}),
    *cases_of("gRPC", {SQLITE: (0.8, 0.65)}),
    *cases_of("direct", {SQLITE: (0.8, 0.65)}),
]


def prepare(url: str) -> None:
    """Migrate a database and give every user a profile of twenty slots."""
    config = StoreSettings(url=url, timeout=30)
    migrate.upgrade(config)

    async def fill() -> None:
        store = SQLProfileStore(config)
        written_at = time.time() - 7_200
        writes = [
            SlotWrite(f"kept_{number}", f"value {number}", written_at)
            for number in range(bodies.FETCHED_SLOTS)
        ]
        keys = (ProfileKey("default", bodies.user(number)) for number in range(load.USERS))
        await asyncio.gather(*(store.store(key, writes) for key in keys))
        store.close()

    asyncio.run(fill())


def warm_up(server: Server, cases: list[Case]) -> None:
    """Send each action its domain, as Rasa does once, and check that it answers as it should."""
    for case in cases:
        events = server.answer(bodies.body(case.action, said=case.said, with_domain=True))
        slots = [event for event in events if event["event"] == "slot"]
        if case.said == 0 and len(slots) != bodies.FETCHED_SLOTS:
            raise RuntimeError(f"{case.name}: {len(slots)} slots came back")


def measure(
    cases: list[Case], servers: dict[str, Server], rounds: int, seconds: float
) -> dict[str, list[Load]]:
    """Return each case's rounds, taken in turn so that the machine's moods hit all alike."""
    for name, server in servers.items():
        warm_up(server, [case for case in cases if case.server == name])
    found: dict[str, list[Load]] = {case.name: [] for case in cases}
    with _progress() as progress:
        task = progress.add_task("measuring", total=rounds * len(cases))
        for _ in range(rounds):
            for case in cases:
                progress.update(task, description=case.name)
                call = bodies.body(case.action, said=case.said)
                found[case.name].append(servers[case.server].load(call, seconds))
                progress.advance(task)
    return found


def memory_curve(server: Server, cases: list[Case], seconds: float) -> list[tuple[int, float]]:
    """Return (calls, MB) of the server's worker while it answers 100,000 calls and more."""
    own = [case for case in cases if case.server == server.name]
    curve = [(0, server.memory())]
    calls = 0
    with _progress() as progress:
        task = progress.add_task("memory", total=MEMORY_CALLS)
        while calls < MEMORY_CALLS:
            for case in own:
                done = server.load(bodies.body(case.action, said=case.said), seconds)
                calls += done.requests
            curve.append((calls, server.memory()))
            progress.update(task, completed=calls)
    return curve


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True,
    )  # fmt: skip


def ratios(found: dict[str, list[Load]], case: Case) -> list[float]:
    """Return a case's rate over that of what it is compared with, round by round."""
    if case.against is None:
        return []
    return [
        ours.rate / theirs.rate
        for ours, theirs in zip(found[case.name], found[case.against], strict=True)
    ]


def show(cases: list[Case], found: dict[str, list[Load]]) -> bool:
    """Print the table; return whether every target is met without an error."""
    table = Table(title=f"{load.CONNECTIONS} connections, 12 kB bodies, {load.USERS:,} users")
    for column in ("", "requests/s", "spread", "p50 ms", "p99 ms", "errors", "ratio", "target"):
        table.add_column(column, justify="left" if not column else "right")
    met = True
    for case in cases:
        rounds = found[case.name]
        rates = sorted(one.rate for one in rounds)
        errors = sum(one.errors for one in rounds)
        ratio = statistics.median(ratios(found, case)) if case.against else None
        good = errors == 0 and (case.target is None or (ratio or 0) >= case.target)
        met = met and good
        table.add_row(
            case.name,
            f"{statistics.median(rates):,.0f}",
            f"{rates[0]:,.0f}-{rates[-1]:,.0f}",
            f"{statistics.median(one.p50 for one in rounds):.1f}",
            f"{statistics.median(one.p99 for one in rounds):.1f}",
            str(errors),
            "" if ratio is None else f"{ratio:.2f}",
            "" if case.target is None else f">= {case.target:.2f} {'met' if good else 'MISSED'}",
        )
    console.print(table)
    return met


def show_memory(name: str, curve: list[tuple[int, float]]) -> bool:
    """Print a memory curve; return whether it stays below the limit and ends flat."""
    table = Table(title=f"memory of a worker, {name}")
    table.add_column("calls", justify="right")
    table.add_column("MB", justify="right")
    step = max(1, len(curve) // MEMORY_SAMPLES)
    for calls, megabytes in curve[::step]:
        table.add_row(f"{calls:,}", f"{megabytes:.1f}")
    console.print(table)
    highest = max(megabytes for _, megabytes in curve)
    half = statistics.median(mb for calls, mb in curve if calls > MEMORY_CALLS / 3)
    growth = curve[-1][1] - half
    console.print(
        f"highest {highest:.1f} MB (target < {MEMORY_LIMIT_MB}); "
        f"{growth:+.1f} MB at the end over the median since a third of the way"
    )
    return highest < MEMORY_LIMIT_MB


def save(cases: list[Case], found: dict[str, list[Load]], memory: dict[str, Any]) -> Path:
    """Write everything that was measured, and on what."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "latest.json"
    versions = ["rasa-sdk", "sanic", "sqlalchemy", "msgspec", "psycopg"]
    content = {
        "measured": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "client": load.client(),
        "versions": {name: metadata.version(name) for name in versions},
        "cases": [
            {
                "name": case.name,
                "against": case.against,
                "target": case.target,
                "ratios": [round(ratio, 3) for ratio in ratios(found, case)],
                "rounds": [one._asdict() for one in found[case.name]],
            }
            for case in cases
        ],
        "memory": memory,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def main() -> None:
    """Measure, show and save; end with 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").strip())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of load in one round of one case")
    parser.add_argument("--no-memory", action="store_true", help="leave out the 100,000 calls")
    options = parser.parse_args()
    console.print(f"Python {platform.python_version()}, load from {load.client()}")
    cases = list(CASES)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {SQLITE: f"sqlite:///{folder}/profiles.db"}
        try:
            postgres = stack.enter_context(PostgresServer())
            urls[POSTGRESQL] = postgres.create_database("benchmark")
        except ServerNotFound as missing:
            console.print(f"PostgreSQL is left out: {missing}")
            cases = [case for case in cases if not case.server.endswith(POSTGRESQL)]
        for url in urls.values():
            prepare(url)
        servers = {}
        for name in dict.fromkeys(case.server for case in cases):
            way, _, database = name.partition(" ")
            servers[name] = stack.enter_context(running(name, way.lower(), urls.get(database)))
        found = measure(cases, servers, options.rounds, options.seconds)
        met = show(cases, found)
        memory: dict[str, Any] = {}
        if not options.no_memory:
            for database in urls:
                server = servers[f"HTTP {database}"]
                memory[database] = memory_curve(server, cases, options.seconds)
                met = show_memory(database, memory[database]) and met
    console.print(f"written to {save(cases, found, memory)}", soft_wrap=True)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
