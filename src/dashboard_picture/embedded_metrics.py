"""Metrics as CloudWatch reads them from what a function printed (CloudWatch guide, "Embedded metric format")."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """One value of one metric at one moment, in seconds since 1970."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    at: float
    value: float


def values(lines: Iterable[str]) -> Iterator[Value]:
    """Read every value; lines that hold none are passed over."""
    for line in lines:
        if '"_aws"' not in line:
            continue
        document = json.loads(line)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                for names in directive["Dimensions"]:
                    dimensions = tuple(sorted((name, document[name]) for name in names))
                    for value in document[metric["Name"]]:
                        at = document["_aws"]["Timestamp"] / 1000
                        yield Value(directive["Namespace"], metric["Name"], dimensions, at, value)
