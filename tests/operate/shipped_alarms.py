"""The template's alarms, judged as CloudWatch judges them, and what its metrics are fed with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dashboard_picture.embedded_metrics import values
from tests.template.shipped import resources

STACK = "finch-sync"


@dataclass(frozen=True)
class Alarm:
    """An alarm on one metric."""

    properties: dict[str, Any]

    @property
    def metric(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.properties["Namespace"], self.properties["MetricName"]

    @property
    def dimensions(self) -> dict[str, Any]:
        """By name; a value as the template has it."""
        return {each["Name"]: each["Value"] for each in self.properties["Dimensions"]}

    def fires(self, *periods: Sequence[float]) -> bool:
        """Whether these values, one group a period, would raise it (CloudWatch guide, "Evaluating an alarm")."""
        assert self.properties["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert self.properties["TreatMissingData"] == "notBreaching"
        last = periods[-self.properties["EvaluationPeriods"] :]
        breaching = [bool(values) and self._aggregated(values) >= self.properties["Threshold"] for values in last]
        return len(breaching) == self.properties["EvaluationPeriods"] and all(breaching)

    def _aggregated(self, values: Sequence[float]) -> float:
        match self.properties["Statistic"]:
            case "Sum":
                return sum(values)
            case "Maximum":
                return max(values)
        raise AssertionError("a statistic that no alarm has had yet")

    def values(self, output: str) -> list[float]:
        """The values of its metric in what the function has printed, in the embedded metric format."""
        return [
            each.value
            for each in values(output.splitlines())
            if (each.namespace, each.name) == self.metric
            and {name for name, _ in each.dimensions} == set(self.dimensions)
        ]


def alarm(name: str) -> Alarm:
    """The alarm of this name, without the stack's."""
    [found] = [
        Alarm(each["Properties"])
        for each in resources("AWS::CloudWatch::Alarm").values()
        if each["Properties"]["AlarmName"] == {"Fn::Sub": f"${{AWS::StackName}}-{name}"}
    ]
    return found
