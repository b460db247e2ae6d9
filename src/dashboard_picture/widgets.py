"""The dashboard as it is deployed: its widgets, and which metrics each asks for."""

import json
import re
from dataclasses import dataclass
from typing import Any

from dashboard_picture.embedded_metrics import Value
from local_aws.sam import STACK_NAME
from local_aws.stack import Stack

_SEARCH = re.compile(
    r"SEARCH\('\{(?P<schema>[^}]+)\} MetricName=\"(?P<name>\w+)\" service=\"[^\"]+\"', '(?P<stat>\w+)'"
)


@dataclass(frozen=True)
class Wanted:
    """Metrics that one entry of a widget asks for; without dimensions: all that have dimensions of these names."""

    namespace: str
    name: str
    names: frozenset[str]
    stat: str
    searched: bool

    def takes(self, value: Value) -> bool:
        """Whether this value belongs to it."""
        return (value.namespace, value.name) == (self.namespace, self.name) and {
            name for name, _ in value.dimensions
        } == self.names

    def label(self, value: Value) -> str:
        """The name of the line that a value is on."""
        if self.searched:
            return " ".join(text for name, text in value.dimensions if name != "service")
        return self.name if self.stat in {"Sum", "Maximum", "Minimum", "Average"} else f"{self.name} {self.stat}"


@dataclass(frozen=True)
class Widget:
    """One panel."""

    title: str
    x: int
    y: int
    width: int
    height: int
    stacked: bool
    wanted: tuple[Wanted, ...]


def widgets(stack: Stack) -> list[Widget]:
    """Read the deployed dashboard."""
    cloudwatch = stack.session.client("cloudwatch", endpoint_url=stack.aws_endpoint_url)
    body = json.loads(cloudwatch.get_dashboard(DashboardName=STACK_NAME)["DashboardBody"])
    return [_widget(each) for each in body["widgets"]]


def _widget(told: dict[str, Any]) -> Widget:
    properties = told["properties"]
    wanted = tuple(_wanted(entry, properties.get("stat", "Average")) for entry in properties["metrics"])
    return Widget(
        title=properties["title"],
        x=told["x"],
        y=told["y"],
        width=told["width"],
        height=told["height"],
        stacked=properties.get("stacked", False),
        wanted=wanted,
    )


def _wanted(entry: list[Any], stat: str) -> Wanted:
    if isinstance(entry[0], dict):
        search = _SEARCH.match(entry[0]["expression"])
        if search is None:
            raise ValueError(f"an expression of another kind: {entry[0]}")
        namespace, *names = search["schema"].split(",")
        return Wanted(namespace, search["name"], frozenset(names), search["stat"], searched=True)
    options = entry[-1] if isinstance(entry[-1], dict) else {}
    namespace, name, *dimensions = [each for each in entry if isinstance(each, str)]
    return Wanted(namespace, name, frozenset(dimensions[::2]), options.get("stat", stat), searched=False)
