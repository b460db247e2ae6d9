"""The dashboard and the alarms draw what the code records, and all of it."""

import ast
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from finch_sync import metrics
from finch_sync.metrics import NAMESPACE, Metric
from tests.operate.shipped_alarms import Alarm
from tests.template.shipped import properties, resources

OF_AWS = {
    ("AWS/Lambda", "FunctionName"): {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"},
    ("AWS/SQS", "QueueName"): {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    ("AWS/States", "StateMachineArn"): {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsStarted"},
}
"""What AWS publishes, as far as it is of use here (the metrics pages of Lambda's, SQS's and Step Functions' guides)."""

_SEARCH = re.compile(r"SEARCH\('\{(?P<schema>[^}]+)\} MetricName=\"(?P<name>\w+)\" service=\"[^\"]+\"', '\w+', \d+\)")


@dataclass(frozen=True)
class Drawn:
    """A metric as a widget asks for it."""

    namespace: str
    name: str
    dimensions: frozenset[str]


@cache
def recorded() -> dict[str, set[frozenset[str]]]:
    """The dimensions that each metric is recorded with, as the source has them: each call of `record`."""
    found = defaultdict(set)
    for path in Path(metrics.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name(id="record"), args=[ast.Attribute(value=ast.Name(id="Metric"), attr=name), *_]
                ):
                    names = frozenset({"service"} | {keyword.arg or "**" for keyword in node.keywords})
                    found[Metric[name].value].add(names)
    return found


@cache
def widgets() -> list[dict[str, Any]]:
    body = properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    found: list[dict[str, Any]] = json.loads(re.sub(r"\$\{[^}]+\}", "filled-in", body))["widgets"]
    return found


def drawn(widget: dict[str, Any]) -> list[Drawn]:
    found = []
    for metric in widget["properties"]["metrics"]:
        if isinstance(metric[0], dict):
            search = _SEARCH.fullmatch(metric[0]["expression"])
            assert search is not None, metric[0]["expression"]
            namespace, *dimensions = search["schema"].split(",")
            found.append(Drawn(namespace, search["name"], frozenset(dimensions)))
        else:
            namespace, name, *rest = [each for each in metric if isinstance(each, str)]
            found.append(Drawn(namespace, name, frozenset(rest[::2])))
    return found


def everything_drawn() -> list[Drawn]:
    return [each for widget in widgets() for each in drawn(widget)]


def test_every_metric_is_recorded_and_always_with_the_same_dimensions() -> None:
    assert set(recorded()) == {metric.value for metric in Metric}
    assert {name: len(ways) for name, ways in recorded().items()} == dict.fromkeys(recorded(), 1)


def test_the_dashboard_draws_nothing_that_nobody_records() -> None:
    for each in everything_drawn():
        if each.namespace == NAMESPACE:
            assert each.dimensions in recorded()[each.name], each
        else:
            [dimension] = each.dimensions
            assert each.name in OF_AWS[each.namespace, dimension]


def test_the_dashboard_draws_all_that_is_recorded() -> None:
    assert {each.name for each in everything_drawn() if each.namespace == NAMESPACE} == set(recorded())


def test_the_alarms_watch_nothing_that_nobody_records() -> None:
    for each in resources("AWS::CloudWatch::Alarm").values():
        alarm = Alarm(each["Properties"])
        namespace, name = alarm.metric
        if namespace == NAMESPACE:
            assert frozenset(alarm.dimensions) in recorded()[name]
        else:
            [dimension] = alarm.dimensions
            assert name in OF_AWS[namespace, dimension]


def test_no_widget_covers_another() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets():
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24, "a dashboard is 24 columns wide"
        taken |= cells


@pytest.mark.parametrize("needed", ["title", "region", "period", "view", "metrics"])
def test_every_widget_says_what_it_is(needed: str) -> None:
    assert all(widget["properties"].get(needed) for widget in widgets())
