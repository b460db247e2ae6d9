"""Executions that end without their job: no Catch sees that, EventBridge tells."""

from collections.abc import Callable
from typing import Any

from finch_sandbox.faults import ErrorFault
from finch_sync.jobs import MAX_RESTARTS, Tracking
from tests.workflow.stage import LOOKS, Event, Waiting, Workflow


def stop_at_first_wait_after_a_look(workflow: Workflow) -> Callable[[Waiting], None]:
    """An operator who stops the job's first execution, and no other."""

    def stop(waiting: Waiting) -> None:
        if "." not in waiting.execution and workflow.looks():
            workflow.stop(waiting.execution)

    return stop


def deciding(workflow: Workflow, word: str) -> Callable[[Event], Any]:
    """A function of a later version, whose decisions this definition does not know."""
    return lambda event: workflow.handle(event) | {"next": word}


def test_an_execution_stopped_from_outside_is_replaced_by_another_which_sees_the_job_to_its_end(
    workflow: Workflow,
) -> None:
    workflow.before_wait = stop_at_first_wait_after_a_look(workflow)
    (job_id,) = workflow.start()
    assert workflow.ended(job_id).status == "ABORTED"
    assert workflow.record(job_id).tracking is Tracking.ACTIVE

    workflow.tell_of_end(job_id)

    again = workflow.followed(f"{job_id}.1")
    assert again.execution.status == "SUCCEEDED"
    assert workflow.names() == [job_id, f"{job_id}.1"]
    assert (again.record.tracking, again.record.status) == (Tracking.DONE, "complete")
    assert again.record.restarts == 1


def test_a_stop_that_is_told_twice_starts_one_execution(workflow: Workflow) -> None:
    workflow.before_wait = stop_at_first_wait_after_a_look(workflow)
    (job_id,) = workflow.start()

    workflow.tell_of_end(job_id)
    workflow.tell_of_end(job_id)

    workflow.ended(f"{job_id}.1")
    assert workflow.names() == [job_id, f"{job_id}.1"]
    assert workflow.record(job_id).restarts == 1


def test_a_stop_that_nobody_was_told_of_is_found_by_the_sweep(workflow: Workflow) -> None:
    workflow.before_wait = stop_at_first_wait_after_a_look(workflow)
    (job_id,) = workflow.start()
    assert workflow.ended(job_id).status == "ABORTED"

    assert workflow.handle({"sweep": {}}) == {"request": 0, "job": 0}
    workflow.clock.advance(seconds=90)
    assert workflow.handle({"sweep": {}}) == {"request": 0, "job": 1}

    assert workflow.followed(f"{job_id}.1").record.tracking is Tracking.DONE


def test_a_stop_after_the_deadline_ends_the_tracking(workflow: Workflow) -> None:
    workflow.deploy(job_deadline_seconds=600)
    workflow.before_wait = stop_at_first_wait_after_a_look(workflow)
    (job_id,) = workflow.start()
    workflow.ended(job_id)
    workflow.clock.advance(seconds=600)

    workflow.tell_of_end(job_id)

    job = workflow.record(job_id)
    assert (job.tracking, job.tracking_reason) == (Tracking.TIMED_OUT, "the deadline passed")
    assert workflow.names() == [job_id]


def test_an_execution_that_reaches_the_machines_timeout_ends_the_tracking_as_timed_out(workflow: Workflow) -> None:
    """Only a function that fails for good gets there: a deadline is at most a day, the machine has 25 hours."""
    workflow.deploy(job_deadline_seconds=86400)
    workflow.sandbox.add_fault(ErrorFault(answer="429_application", retry_after="86000"), path=LOOKS)

    def breaks_for_good(event: Event) -> Any:
        if workflow.looks():
            raise MemoryError
        return workflow.handle(event)

    workflow.function = breaks_for_good
    (job_id,) = workflow.start()
    ended = workflow.ended(job_id)
    assert ended.status == "TIMED_OUT"
    assert ended.history[-1]["type"] == "ExecutionTimedOut"
    job = workflow.record(job_id)
    assert (workflow.clock() - job.accepted_at).total_seconds() == 90000
    assert job.tracking is Tracking.ACTIVE

    workflow.tell_of_end(job_id)

    job = workflow.record(job_id)
    assert (job.tracking, job.status) == (Tracking.TIMED_OUT, "pending")
    assert workflow.names() == [job_id]


def test_a_decision_that_the_definition_does_not_know_fails_the_execution_and_not_the_job(workflow: Workflow) -> None:
    workflow.function = deciding(workflow, "rest")
    (job_id,) = workflow.start()
    ended = workflow.ended(job_id)
    assert (ended.status, ended.error) == ("FAILED", "UnexpectedDecision")
    assert ended.states == ["Wait", "Poll", "Decide", "UnexpectedDecision"]

    workflow.function = workflow.handle
    workflow.tell_of_end(job_id)

    job = workflow.followed(f"{job_id}.1")
    assert job.execution.status == "SUCCEEDED"
    assert job.record.tracking is Tracking.DONE


def test_a_job_whose_executions_keep_dying_is_lost_in_the_end(workflow: Workflow) -> None:
    workflow.sandbox.patch(in_progress_seconds=3600)
    workflow.function = deciding(workflow, "rest")
    (job_id,) = workflow.start()
    executions = [job_id, *(f"{job_id}.{restart}" for restart in range(1, MAX_RESTARTS + 1))]

    for name in executions:
        assert workflow.record(job_id).tracking is Tracking.ACTIVE
        workflow.tell_of_end(name)

    assert workflow.names() == executions
    job = workflow.record(job_id)
    assert (job.tracking, job.tracking_reason) == (Tracking.LOST, "its executions keep dying")
    assert job.restarts == MAX_RESTARTS
