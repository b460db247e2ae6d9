"""What following a job costs, carries along and gives away."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from finch_sandbox.faults import ErrorFault
from finch_sandbox.server import running_sandbox
from finch_sync import polling
from finch_sync.jobs import Tracking
from tests.workflow.stage import LOOKS, Event, Followed, Waiting, Workflow, running_workflow
from tests.world import Clock

DEADLINE = 4 * 3600
MOST_EVENTS = 25_000
"""A history's limit (Step Functions guide, "Service quotas")."""


@dataclass(frozen=True)
class StuckJob:
    job: Followed
    waits: list[Waiting]


@pytest.fixture(scope="module")
def stuck_job() -> StuckJob:
    """A job that Finch never ends, followed to its deadline."""
    clock = Clock()
    waits: list[Waiting] = []
    with running_sandbox(clock=clock.timestamp) as sandbox, running_workflow(sandbox, clock) as workflow:
        workflow.deploy(job_deadline_seconds=DEADLINE)
        workflow.sandbox.patch(in_progress_seconds=1e9)
        workflow.before_wait = waits.append
        return StuckJob(workflow.follow(), waits)


@pytest.mark.parametrize("seconds", [0, 10, 300, 3000])
def test_a_job_costs_three_transitions_a_look_and_four_at_most_besides(workflow: Workflow, seconds: int) -> None:
    workflow.sandbox.patch(pending_seconds=0, in_progress_seconds=seconds)

    execution = workflow.follow().execution

    assert execution.status == "SUCCEEDED"
    assert len(execution.states) <= 3 * execution.polls + 4


def test_a_first_job_is_looked_at_as_the_operator_expects_and_later_ones_as_the_first_suggests(
    workflow: Workflow,
) -> None:
    waits: list[Waiting] = []
    workflow.before_wait = waits.append
    workflow.deploy(first_job_seconds=10)
    workflow.sandbox.patch(pending_seconds=0, in_progress_seconds=900, allowed_refreshes=2)

    workflow.follow()
    first, waits[:] = waits[0].seconds, []
    workflow.follow()

    assert first <= 10
    assert waits[0].seconds > 60


def test_hours_of_looks_cost_three_transitions_each_and_fit_a_history_many_times(stuck_job: StuckJob) -> None:
    execution = stuck_job.job.execution

    assert execution.polls > 50
    assert len(execution.states) <= 3 * execution.polls + 4
    assert len(execution.history) < MOST_EVENTS / 20


def test_nothing_accumulates_in_the_state_over_200_looks(workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "CAP", 60.0)  # no policy of ours looks so often by itself
    workflow.deploy(job_deadline_seconds=DEADLINE)
    workflow.sandbox.patch(in_progress_seconds=1e9)
    invocations = iter(range(1, 10_000))

    def fails_now_and_then(event: Event) -> Any:
        if next(invocations) % 10 == 0:
            raise KeyError("nobody thought of this")
        return workflow.handle(event)

    workflow.function = fails_now_and_then
    execution = workflow.follow().execution

    left = [json.loads(output) for output in execution.outputs("Poll")]
    states = [state for state in left if state["next"] == "wait" and "failure" not in state]
    assert len(states) > 200
    assert {frozenset(state) for state in states} == {frozenset(states[0])}
    # Counters grow by digits; a status changes once. Nothing else may differ in size.
    sizes = {len(json.dumps(state | {"polls": 0, "wait_seconds": 0, "status": ""})) for state in states}
    assert len(sizes) == 1
    caught = [len(json.dumps(state | {"polls": 0})) for state in execution.inputs("WaitAfterFailure")]
    assert len(caught) > 20
    assert max(caught) - min(caught) <= 16


def test_waits_are_as_long_as_the_policy_says(stuck_job: StuckJob) -> None:
    accepted, deadline = stuck_job.job.record.accepted_at, stuck_job.job.record.deadline
    for waiting in stuck_job.waits:
        elapsed, remaining = (waiting.since - accepted).total_seconds(), (deadline - waiting.since).total_seconds()
        shortest, longest = (polling.wait_seconds(elapsed, remaining, jitter=jitter) for jitter in (-1, 1))
        assert shortest is not None
        assert longest is not None
        assert shortest <= waiting.seconds <= longest


def test_the_last_look_falls_on_the_deadline(stuck_job: StuckJob) -> None:
    record, last = stuck_job.job.record, stuck_job.waits[-1]

    assert (last.since - record.accepted_at).total_seconds() + last.seconds == DEADLINE
    assert record.ended_at == record.deadline
    assert (record.tracking, record.status) == (Tracking.TIMED_OUT, "in_progress")


def test_no_token_is_in_an_execution_or_on_record(workflow: Workflow) -> None:
    """The stage searches all of it at its end; here are the ways that an execution can go, for it to search."""
    workflow.sandbox.patch(in_progress_seconds=3600)
    workflow.sandbox.add_fault(ErrorFault(answer="503_unavailable"), path=LOOKS, times=5)
    workflow.sandbox.add_fault(ErrorFault(answer="403_insufficient_scope"), path=LOOKS, skip=1)

    job = workflow.follow()

    assert "WaitAfterFailure" in job.execution.states
    assert job.execution.error == "TrackingLost"
