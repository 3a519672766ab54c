"""Derive an assistant for Rasa Open Source 3.6 from the one for Rasa Pro beside this script.

    python examples/derive_open_source.py [--source DIR] [--out DIR]

Rasa Open Source has the NLU system alone. What it refuses is taken out (flows, router, language
model, `shared_for_coexistence`, `from_llm` and `controlled` mappings), and what the profile store
needs to know about it is put elsewhere: the shared slots into `endpoints.yml`, the every-turn
action into a `custom` mapping. The flows' custom actions become rules, so that every skill can be
tried and every action is called by a real Rasa without a licence.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

HERE = Path(__file__).resolve().parent
ROUTING_SLOT = "route_session_to_calm"
RESET_ROUTING = "action_reset_routing"
CALM_POLICIES = frozenset({"FlowPolicy", "IntentlessPolicy", "EnterpriseSearchPolicy"})
CALM_COMPONENTS = ("Router", "CommandGenerator", "CommandAdapter")  # by the end of their names
CALM_ENDPOINTS = frozenset({"model_groups", "nlg"})
HEADER = "# Derived by examples/derive_open_source.py; change the original instead.\n"


def derive(source: Path, out: Path) -> None:
    """Write the Open Source assistant derived from the Rasa Pro assistant in `source` to `out`."""
    domain = load(source / "domain.yml")
    flows: dict[str, Any] = {}
    rules: list[dict[str, Any]] = []
    (out / "data").mkdir(parents=True, exist_ok=True)
    for path in sorted((source / "data").glob("*.yml")):
        content = load(path)
        flows.update(content.get("flows", {}))
        rules.extend(content.get("rules", ()))
        if "nlu" in content or "stories" in content:
            shutil.copyfile(path, out / "data" / path.name)
    dump(
        {"version": "3.1", "rules": nlu_rules(rules, flows, domain["intents"])},
        out / "data" / "rules.yml",
    )
    dump(nlu_domain(domain), out / "domain.yml")
    dump(nlu_config(load(source / "config.yml")), out / "config.yml")
    dump(nlu_endpoints(load(source / "endpoints.yml"), shared_slots(domain)), out / "endpoints.yml")
    shutil.copyfile(source / "credentials.yml", out / "credentials.yml")


def shared_slots(domain: Mapping[str, Any]) -> list[str]:
    """Return the names of the slots with something to share; a slot that only syncs has nothing."""
    return sorted(
        name
        for name, slot in domain["slots"].items()
        if slot.get("shared_for_coexistence") and not _syncs(slot)
    )


def nlu_domain(domain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a domain that Rasa Open Source accepts."""
    entities = [_name(entity) for entity in domain["entities"]]
    slots = {}
    for name, slot in domain["slots"].items():
        kept = {key: value for key, value in slot.items() if key != "shared_for_coexistence"}
        kept["mappings"] = list(_nlu_mappings(name, slot.get("mappings", ()), entities))
        slots[name] = kept
    responses = {
        name: [_without_set_slots(variation) for variation in variations]
        for name, variations in domain["responses"].items()
    }
    return {**domain, "slots": slots, "responses": responses}


def _nlu_mappings(
    slot: str, mappings: Sequence[Mapping[str, Any]], entities: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for mapping in mappings:
        kind = mapping.get("type", "from_llm")
        if kind == "controlled":
            action = mapping.get("run_action_every_turn")
            yield {"type": "custom", "action": action} if action else {"type": "custom"}
        elif kind != "from_llm":
            yield dict(mapping)
        elif len(mappings) == 1 and slot in entities:
            # What the language model would fill: here the entity of the slot's name does.
            yield {"type": "from_entity", "entity": slot}


def _syncs(slot: Mapping[str, Any]) -> bool:
    return any("run_action_every_turn" in mapping for mapping in slot.get("mappings", ()))


def _without_set_slots(variation: Mapping[str, Any]) -> dict[str, Any]:
    """Return a response without the buttons that only CALM understands."""
    kept = dict(variation)
    buttons = [b for b in kept.pop("buttons", ()) if not b["payload"].startswith("/SetSlots")]
    if buttons:
        kept["buttons"] = buttons
    return kept


def nlu_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config without the components and policies of CALM and of coexistence.

    A routing reset ends what policies remember of a conversation in Rasa Pro. Rasa Open Source
    never forgets, so its memoization has to do without the turns before a story's first.
    """
    pipeline = [part for part in config["pipeline"] if not part["name"].endswith(CALM_COMPONENTS)]
    policies = [
        {**part, "name": part["name"].replace("MemoizationPolicy", "AugmentedMemoizationPolicy")}
        for part in config["policies"]
        if part["name"] not in CALM_POLICIES
    ]
    return {**config, "pipeline": pipeline, "policies": policies}


def nlu_endpoints(endpoints: Mapping[str, Any], shared: Sequence[str]) -> dict[str, Any]:
    """Return endpoints without language models, with what the domain can no longer say.

    Rasa Open Source sends no `user_id`; the message metadata that it is taken from is sent.
    """
    kept = {key: value for key, value in endpoints.items() if key not in CALM_ENDPOINTS}
    store = dict(kept.get("profile_store", {}))
    store["identity"] = [
        "metadata:user_id" if rule == "user_id" else rule
        for rule in store.get("identity", ("user_id", "sender_id"))
    ]
    store["shared_slots"] = {**store.get("shared_slots", {}), "include": list(shared)}
    return {**kept, "profile_store": store}


def nlu_rules(
    rules: Sequence[Mapping[str, Any]], flows: Mapping[str, Any], intents: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return the rules with one for each flow that does something and has an intent of its name.

    It takes the place of the rules that answer this intent in the Rasa Pro assistant.
    """
    names = {_name(intent) for intent in intents}
    skills = {
        flow_id: actions
        for flow_id, flow in flows.items()
        if flow_id in names and (actions := list(dict.fromkeys(_actions(flow["steps"]))))
    }
    kept = [dict(rule) for rule in rules if rule["steps"][0].get("intent") not in skills]
    for flow_id, actions in skills.items():
        steps = [{"intent": flow_id}, *({"action": name} for name in (*actions, RESET_ROUTING))]
        kept.append({"rule": f"flow {flow_id}", "steps": steps})
    return kept


def _actions(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the custom actions of a flow's steps and branches, in the order of the file."""
    for step in steps:
        action = step.get("action", "")
        if action.startswith("action_") and action != RESET_ROUTING:
            yield action
        following = step.get("next")
        for branch in following if isinstance(following, list) else ():
            nested = branch.get("then", branch.get("else"))
            if isinstance(nested, list):
                yield from _actions(nested)


def _name(entry: Any) -> str:
    """Return the name of an intent or entity, which may stand as the key of its options."""
    return str(next(iter(entry)) if isinstance(entry, Mapping) else entry)


def load(path: Path) -> dict[str, Any]:
    """Return the content of a YAML file."""
    content = YAML(typ="safe", pure=True).load(path)
    return dict(content or {})


def dump(content: Mapping[str, Any], path: Path) -> None:
    """Write a YAML file, with a line that says where it comes from."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        yaml.dump(dict(content), file)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--source", type=Path, default=HERE / "assistant", help="the Pro assistant")
    parser.add_argument(
        "--out",
        type=Path,
        default=HERE.parent / "build" / "open_source_assistant",
        help="where to write (default: build/open_source_assistant)",
    )
    arguments = parser.parse_args()
    derive(arguments.source, arguments.out)
    print(f"Derived for Rasa Open Source 3.6: {arguments.out}")


if __name__ == "__main__":
    main()
