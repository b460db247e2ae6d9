"""A failed look never fails a job."""

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import TimeoutSeconds

from finch_sandbox.faults import ErrorFault, Fault, RawFault, ResetFault, RewriteFault, TruncatedFault
from finch_sync.jobs import Tracking
from tests.workflow.stage import LOOKS, Event, LambdaThrottled, Waiting, Workflow

UNAVAILABLE = ErrorFault(answer="503_unavailable")


def for_times(times: int, interference: Callable[[], Any], workflow: Workflow) -> Callable[[Event], Any]:
    """A function that does something else for its first invocations by the state machine."""
    calls = iter(range(times))

    def function(event: Event) -> Any:
        return workflow.handle(event) if next(calls, None) is None else interference()

    return function


def fail_unexpectedly() -> None:
    raise KeyError("nobody thought of this")


@pytest.mark.parametrize(
    "fault",
    [
        UNAVAILABLE,
        ErrorFault(answer="408_client_closed"),
        RawFault(status=200),
        RawFault(status=502),
        RawFault(status=200, body="", content_type=None),
        TruncatedFault(),
        ResetFault(),
        RewriteFault(put={"job_id": "another"}),
        RewriteFault(drop=("status",)),
    ],
    ids=lambda fault: f"{fault.kind} {getattr(fault, 'answer', getattr(fault, 'status', ''))}".strip(),
)
def test_a_look_that_fails_is_retried_by_its_name_and_then_succeeds(workflow: Workflow, fault: Fault) -> None:
    workflow.sandbox.add_fault(fault, path=LOOKS, times=2)

    job = workflow.follow()

    assert job.execution.failures == ["FinchUnavailable"] * 2
    assert "WaitAfterFailure" not in job.execution.states
    assert job.execution.status == "SUCCEEDED"
    assert (job.record.tracking, job.record.status) == (Tracking.DONE, "complete")
    assert job.record.polls == job.execution.polls


def test_the_pauses_between_retries_are_drawn_below_a_bound_that_doubles(workflow: Workflow) -> None:
    workflow.sandbox.add_fault(UNAVAILABLE, path=LOOKS, times=3)

    workflow.follow()

    assert [0 <= pause <= bound for pause, bound in zip(workflow.retry_pauses, (2, 4, 8), strict=True)] == [True] * 3


def test_looks_that_fail_past_the_retries_are_caught_and_the_job_is_followed_on_from_where_it_stood(
    workflow: Workflow,
) -> None:
    workflow.sandbox.patch(in_progress_seconds=60)
    workflow.sandbox.add_fault(UNAVAILABLE, path=LOOKS, skip=1, times=4)

    job = workflow.follow()

    assert job.execution.failures == ["FinchUnavailable"] * 4
    assert job.execution.states[:7] == ["Wait", "Poll", "Decide", "Wait", "Poll", "WaitAfterFailure", "Poll"]
    _, before, after, *later = job.execution.inputs("Poll")
    failure = after.pop("failure")
    assert failure["Error"] == "FinchUnavailable"
    assert after == before
    assert after["polls"] == 1
    assert not any("failure" in state for state in later)
    assert job.execution.status == "SUCCEEDED"
    assert (job.record.tracking, job.record.polls) == (Tracking.DONE, job.execution.polls - 1)


def test_the_wait_after_a_failure_is_a_minute(workflow: Workflow) -> None:
    waits: list[Waiting] = []
    workflow.before_wait = waits.append
    workflow.function = for_times(3, fail_unexpectedly, workflow)

    workflow.follow()

    after_failures = [waiting for waiting in waits if waiting.state == "WaitAfterFailure"]
    assert [waiting.seconds for waiting in after_failures] == [60, 60, 60]
    assert [(b.since - a.since).total_seconds() for a, b in pairwise(after_failures)] == [60, 60]


def test_an_unexpected_error_of_the_function_is_not_retried_but_caught_and_the_job_is_followed_on(
    workflow: Workflow,
) -> None:
    workflow.function = for_times(1, fail_unexpectedly, workflow)

    job = workflow.follow()

    assert job.execution.failures == ["KeyError"]
    assert job.execution.states[:4] == ["Wait", "Poll", "WaitAfterFailure", "Poll"]
    assert job.execution.status == "SUCCEEDED"
    assert job.record.tracking is Tracking.DONE


def test_an_invocation_that_lambda_throttles_is_retried_by_its_name(workflow: Workflow) -> None:
    def throttle() -> None:
        raise LambdaThrottled

    workflow.function = for_times(3, throttle, workflow)

    job = workflow.follow()

    assert job.execution.failures == ["Lambda.TooManyRequestsException"] * 3
    assert "WaitAfterFailure" not in job.execution.states
    assert job.execution.status == "SUCCEEDED"


def test_an_invocation_that_never_answers_is_given_up_and_the_job_is_followed_on(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    limits = []

    def soon(limit: TimeoutSeconds, env: object) -> float:  # noqa: ARG001 - moto names it
        limits.append(limit.timeout_seconds)
        return 0.2 if len(limits) == 1 else limit.timeout_seconds

    # moto counts a task's timeout by the wall clock: this one is cut short, and the others are not.
    monkeypatch.setattr(TimeoutSeconds, "_eval_seconds", soon)
    workflow.function = for_times(1, lambda: over.wait(20), workflow)
    try:
        job = workflow.follow()
    finally:
        over.set()

    assert set(limits) == {70, 30}, "those of a look, and that of the announcement"
    assert job.execution.failures == ["States.Timeout"]
    assert job.execution.states[:4] == ["Wait", "Poll", "WaitAfterFailure", "Poll"]
    assert job.execution.status == "SUCCEEDED"


def test_finch_that_stays_away_ends_the_tracking_at_the_deadline_and_not_before(workflow: Workflow) -> None:
    workflow.deploy(job_deadline_seconds=600)
    workflow.sandbox.add_fault(UNAVAILABLE, path=LOOKS, times=None)

    job = workflow.follow()

    assert (job.execution.status, job.execution.error) == ("FAILED", "TrackingTimedOut")
    assert job.record.tracking is Tracking.TIMED_OUT
    assert job.record.tracking_reason == "finch gave no answer by the deadline"
    assert job.record.status == "pending"
    assert job.record.ended_at is not None
    assert 0 <= (job.record.ended_at - job.record.deadline).total_seconds() <= 60 + 2 + 4 + 8
