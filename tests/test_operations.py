"""The dashboard, the alerts and the page about operations name what there is, and all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from coexistence import calls, metrics, tracing

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "operations.md").read_text(encoding="utf-8")
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in YAML(typ="safe", pure=True).load((DOCS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
ADDED_BY_PROMETHEUS = {"job", "instance", "le"}
CLOSED = {"outcome": calls.OUTCOMES, "kind": metrics.FAILURES, "reason": metrics.REASONS}
WORDS = {
    *("sum", "by", "rate", "increase", "histogram_quantile", "topk", "min_over_time"),
    *("ignoring", "group_left", "and"),
}


def series() -> dict[str, set[str]]:
    """Return the labels of each series, by its name."""
    registry = CollectorRegistry()
    labels = {
        instrument._name: set(instrument._labelnames)
        for instrument in vars(metrics.Instruments(registry)).values()
    }
    return {
        family.name + suffix: labels[family.name]
        for family in registry.collect()
        for suffix in SUFFIXES[family.type]
    }


SERIES = series()


def expressions() -> list[Any]:
    found = [pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES]
    for panel in DASHBOARD["panels"]:
        found += [pytest.param(target["expr"], id=panel["title"]) for target in panel["targets"]]
    return found


def test_there_are_metrics_rules_and_panels() -> None:
    assert len(SERIES) >= 10
    assert len(RULES) >= 8
    assert len(DASHBOARD["panels"]) >= 8


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_is_of_series_and_labels_that_are(expression: str) -> None:
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    named = set(re.findall(r"[a-z_]\w*", bare))
    used = named & set(SERIES)
    assert used, "no series of ours"
    labels = set.union(*(SERIES[name] for name in used)) | ADDED_BY_PROMETHEUS
    assert named <= used | labels | WORDS


@pytest.mark.parametrize("expression", expressions())
def test_a_value_that_an_expression_selects_is_one_that_its_label_has(expression: str) -> None:
    for label, values in re.findall(r'(\w+)(?:=|!=|=~|!~)"([^"]*)"', expression):
        if label != "job":
            assert set(values.split("|")) <= set(CLOSED[label])


def test_every_metric_is_on_the_dashboard_or_watched() -> None:
    shown = " ".join(param.values[0] for param in expressions())
    for name in SERIES:
        family = re.sub(r"_(bucket|count|sum)$", "", name)
        assert family in shown


def test_every_metric_outcome_kind_and_reason_is_documented() -> None:
    for name in SERIES:
        assert f"`{re.sub('_(bucket|count|sum)$', '', name)}`" in PAGE
    for told in (*calls.OUTCOMES, *metrics.FAILURES, *metrics.REASONS):
        assert f"`{told}`" in PAGE


def test_every_span_is_documented() -> None:
    for span in tracing.SPANS:
        assert f"`{span}`" in PAGE


def test_every_alert_is_documented_and_says_what_to_do() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    assert re.findall(r"^\| `(Profile\w+)` \|", PAGE, re.MULTILINE) == names
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_summary_names_labels_that_its_expression_keeps(rule: dict[str, Any]) -> None:
    kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
    texts = " ".join(rule["annotations"].values())
    named = set(re.findall(r"\$labels\.(\w+)", texts))
    assert named
    assert named <= kept - {"le"}


def test_panels_can_be_told_apart_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_panels_take_the_data_source_and_the_job_that_the_reader_chooses() -> None:
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource", "job"}
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            assert 'job=~"$job"' in target["expr"]
