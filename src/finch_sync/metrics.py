"""What is counted and measured, by name. CloudWatch reads it from the log (embedded metric format)."""

from collections.abc import Mapping
from enum import StrEnum

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE = "FinchSync"


class Metric(StrEnum):
    """Every metric of the service. The dashboard and the alarms draw these and no others."""

    REQUESTS = "Requests"
    JOBS = "Jobs"
    JOB_DURATION = "JobDuration"
    DETECTION_DELAY = "DetectionDelay"
    POLLS_PER_JOB = "PollsPerJob"
    UNKNOWN_OUTCOMES = "UnknownOutcomes"
    OUTCOMES_RESOLVED = "OutcomesResolved"
    UNRESOLVED_OUTCOMES = "UnresolvedOutcomes"
    UNKNOWN_STATUSES = "UnknownStatuses"
    REMAINING_REFRESHES = "RemainingRefreshes"
    FINCH_LATENCY = "FinchLatency"
    FINCH_ERRORS = "FinchErrors"
    ACTION_REQUIRED = "ActionRequired"
    ADDRESS_PAUSED = "AddressPaused"


_UNITS = {
    Metric.JOB_DURATION: MetricUnit.Seconds,
    Metric.DETECTION_DELAY: MetricUnit.Seconds,
    Metric.FINCH_LATENCY: MetricUnit.Milliseconds,
}


def record(metric: Metric, value: float = 1, details: Mapping[str, object] | None = None, **dimensions: str) -> None:
    """Record a value. Dimensions are few and of few values: never a connection, a job or a key.

    Args:
        metric: What is measured.
        value: In the metric's unit.
        details: What else its line in the log tells. They are no dimensions, so they may have any values.
        **dimensions: By what the metric is told apart.
    """
    unit = _UNITS.get(metric, MetricUnit.Count)
    with single_metric(name=metric, unit=unit, value=value, namespace=NAMESPACE) as recorded:
        for name, of in dimensions.items():
            recorded.add_dimension(name=name, value=of)
        for name, detail in (details or {}).items():
            recorded.add_metadata(name, detail)
