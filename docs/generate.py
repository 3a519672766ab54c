"""Writes the generated parts of the documentation: settings, commands and public names.

`python docs/generate.py` rewrites what stands between the markers; with `--check` it changes
nothing, and fails when something is stale.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import annotated_types
import prometheus_client
import pydantic
import typer.main
from pydantic.fields import FieldInfo

import profile_store
from coexistence import metrics as counted
from coexistence import nesting, observation, signed_tokens, token_keys, webhook
from coexistence.authentication import http
from coexistence.authentication.configuration import TOKENS_VARIABLE
from coexistence.cli import app
from coexistence.metrics import Instruments
from coexistence.settings import JwtSettings, Settings
from profile_store import ProfileStore, arrivals, keys, profile, values
from profile_store.endpoints import ENDPOINTS_VARIABLE, ENV_PREFIX

FOLDER = Path(__file__).resolve().parent
CHECKOUT = Path(profile_store.__file__).resolve().parents[1]


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def settings() -> str:
    """Return every setting, with its variable, its default and its limits."""

    def rows() -> Iterator[tuple[str, ...]]:
        for name, field in Settings.model_fields.items():
            variable = f"`{ENV_PREFIX}{name.upper()}`"
            inner = _section(field)
            if inner is not None:
                for inner_name, inner_field in inner.model_fields.items():
                    yield setting(f"{name}.{inner_name}", f"in {variable}", inner_field)
            else:
                yield setting(name, variable, field)
        yield (
            "",
            f"`{ENDPOINTS_VARIABLE}`",
            "`endpoints.yml`",
            "",
            "The file that the settings are read from; wins over `--endpoints`.",
        )
        yield (
            "",
            f"`{TOKENS_VARIABLE}`",
            "",
            "",
            "Tokens that callers may send, separated by commas, beside `action_endpoint`.",
        )

    return table(("setting", "variable", "default", "limits", "is"), rows())


def _section(field: FieldInfo) -> type[pydantic.BaseModel] | None:
    """Return the model of a setting that is a section of its own, optional or not."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
            return kind
    return None


def setting(name: str, variable: str, field: FieldInfo) -> tuple[str, ...]:
    """Return one setting's row."""
    default = field.get_default(call_default_factory=True)
    shown = "" if default in (None, [], {}) else f"`{_plain(default)}`"
    return f"`{name}`", variable, shown, _limits(field), field.description or ""


def _plain(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"[{', '.join(default)}]" if isinstance(default, list) else str(default)


def _limits(field: FieldInfo) -> str:
    words = []
    for limit in field.metadata:
        if isinstance(limit, annotated_types.Gt):
            words.append(f"above {limit.gt}")
        elif isinstance(limit, annotated_types.Ge):
            words.append(f"from {limit.ge}")
        elif isinstance(limit, annotated_types.Le):
            words.append(f"up to {limit.le}")
        elif isinstance(limit, annotated_types.MinLen):
            words.append(f"at least {limit.min_length}")
        elif isinstance(limit, annotated_types.MaxLen):
            words.append(f"at most {limit.max_length} characters")
    return ", ".join(words)


def limits() -> str:
    """Return what an action server refuses, cuts off or gives up on, and at how much."""
    default = {name: field.default for name, field in Settings.model_fields.items()}
    leeway = JwtSettings.model_fields["leeway"].default
    seconds = "{:g} s".format
    assert arrivals.CLOCK_TOLERANCE == observation.CLOCK_TOLERANCE
    rows = [
        ("a request over HTTP, inflated", _bytes(default["max_body_bytes"]), "413",
         "`max_body_bytes`"),
        ("what is read of a refused caller's request", _bytes(http.DRAINED_BYTES),
         "the connection ends", ""),
        ("nesting of a request over HTTP", f"{nesting.MAX_DEPTH}", "422",
         "of events: when an action reads them"),
        ("a request over gRPC", "4 MiB, nested 100 deep", "an error of gRPC's",
         "gRPC's own"),
        ("the name of an action", f"{webhook.MAX_ACTION_NAME} printable characters",
         "422, `INVALID_ARGUMENT`", ""),
        ("a slot's value", f"{_bytes(default['max_value_bytes'])} of JSON",
         "the value is refused, the rest kept", "`max_value_bytes`"),
        ("nesting of a slot's value", f"{values.MAX_DEPTH}", "the same", ""),
        ("slots of a profile", f"{default['max_slots']}", "the same", "`max_slots`"),
        ("the name of a slot", f"{profile.MAX_SLOT_NAME} characters", "the same", ""),
        ("a user's id", f"{profile.MAX_USER_ID} characters",
         "no profile for that call", ""),
        ("a namespace", f"{profile.MAX_NAMESPACE} characters", "the server does not start",
         "`namespace`"),
        ("a time ahead of the newest event, or of the database's clock",
         seconds(arrivals.CLOCK_TOLERANCE), "it is taken for the clock's", ""),
        ("a signed token", f"{signed_tokens.MAX_TOKEN} characters", "no profile for that call", ""),
        ("a token after it has expired", seconds(leeway), "no profile for that call",
         "`jwt.leeway`"),
        ("the secret of `HS256`", f"at least {token_keys.LEAST_SECRET_BYTES} bytes",
         "the server does not start", ""),
        ("an RSA key for tokens", f"at least {token_keys.LEAST_RSA_BITS} bits",
         "the server does not start", ""),
        ("a key that seals values, or hashes ids", f"{keys.KEY_BYTES} bytes",
         "the server does not start", ""),
        ("a call's wait for the database", seconds(default["timeout"]),
         "the conversation goes on without its profile", "`timeout`"),
        ("connecting to the database", seconds(default["connect_timeout"]), "the same",
         "`connect_timeout`"),
        ("calls that wait for the database, in a process", f"{default['queue_size']:,}",
         "the same, at once", "`queue_size`"),
        ("calls that share a transaction", f"{default['batch_size']}", "the next one takes them",
         "`batch_size`"),
        ("actions that metrics tell apart", f"{counted.MOST_ACTIONS}", "all others are `other`",
         ""),
        ("how often somebody may call, or try a secret", "**none**", "the network's task", ""),
    ]  # fmt: skip
    return table(("of", "limit", "beyond it", "setting"), iter(rows))


def _bytes(number: int) -> str:
    for size, unit in ((2**20, "MiB"), (2**10, "KiB")):
        if number % size == 0:
            return f"{number // size} {unit}"
    return f"{number} bytes"


def commands() -> str:
    """Return every command of `coexist`, with what it takes."""
    return "\n\n".join(_described("coexist", typer.main.get_command(app)))


def _described(path: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner:
        for name in inner:
            yield from _described(f"{path} {name}", inner[name])
        return
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [
        param
        for param in command.params
        if param.param_type_name == "option" and param.name != "help"
    ]
    usage = [path, *(_metavar(argument) for argument in arguments)]
    yield f"## `{' '.join(usage)}`"
    yield inspect.cleandoc(command.help or "")
    if arguments or options:
        yield table(
            ("takes", "default", "is"),
            (
                (f"`{_written(param)}`", _default(param), param.help or "")
                for param in [*arguments, *options]
            ),
        )


def _metavar(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _written(param: Any) -> str:
    if param.param_type_name == "argument":
        return str(param.name.upper())
    options = ", ".join(param.opts)
    return options if param.is_flag else f"{options} {param.name.upper()}"


def _default(param: Any) -> str:
    default = param.default
    # Click 8.3 has a value of its own for "not given"
    known = isinstance(default, str | int | float) and not isinstance(default, bool)
    return f"`{default}`" if known else ""


def names(package: str) -> Callable[[], str]:
    """Return what lists a package's public names with the first line of their docstrings."""

    def listed() -> str:
        module = importlib.import_module(package)
        return table(
            ("name", "is"),
            (
                (f"`{name}`", (inspect.getdoc(getattr(module, name)) or "").partition("\n")[0])
                for name in module.__all__
            ),
        )

    return listed


def interface() -> str:
    """Return every method of a store, with what it promises."""
    methods = inspect.getmembers(ProfileStore, inspect.isfunction)
    return table(("method", "promises"), (_method(name, method) for name, method in methods))


def _method(name: str, method: Callable[..., Any]) -> tuple[str, ...]:
    signature = inspect.signature(method)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in list(signature.parameters.values())[1:]
    ]
    call = signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)
    promised = inspect.cleandoc(method.__doc__ or "").replace("Raises:\n", "Raises ")
    return f"`{name}{call}`", " ".join(promised.split())


def source(path: str) -> Callable[[], str]:
    """Return what shows a Python module of this checkout."""

    def shown() -> str:
        return f"```python\n{(CHECKOUT / path).read_text(encoding='utf-8')}```"

    return shown


def metrics() -> str:
    """Return every metric, with its type, its labels and what it counts."""
    registry = prometheus_client.CollectorRegistry()
    labels = {
        instrument._name: instrument._labelnames
        for instrument in vars(Instruments(registry)).values()
    }
    return table(
        ("metric", "type", "labels", "is"),
        (
            (
                f"`{family.name}{'_total' if family.type == 'counter' else ''}`",
                family.type,
                ", ".join(f"`{label}`" for label in labels[family.name]),
                family.documentation,
            )
            for family in sorted(registry.collect(), key=lambda family: family.name)
        ),
    )


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "commands": commands,
    "limits": limits,
    "metrics": metrics,
    "coexistence": names("coexistence"),
    "profile_store": names("profile_store"),
    "testing": names("coexistence.testing"),
    "interface": interface,
    "memory_store": source("tests/profile_store/memory_store.py"),
}
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def current(page: str) -> str:
    """Return a page with its generated parts as they should be."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n\n{part[3]}", page)


def main(arguments: list[str]) -> str | None:
    """Rewrite the pages, or name those that are stale."""
    stale = []
    for path in sorted([*FOLDER.glob("*.md"), *FOLDER.parent.glob("SECURITY.md")]):
        page = path.read_text(encoding="utf-8")
        wanted = current(page)
        if wanted == page:
            continue
        if "--check" in arguments:
            stale.append(path.name)
        else:
            path.write_text(wanted, encoding="utf-8")
    if stale:
        return f"stale: {', '.join(stale)}; run: python docs/generate.py"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
