"""The end of a job is told once, by its execution, and not told at all only if EventBridge never takes it."""

import json

import pytest

from finch_sync.jobs import Tracking
from tests.workflow.stage import Workflow


@pytest.mark.parametrize(
    ("word", "detail_type"),
    [
        ("complete", "Finch Sync Completed"),
        ("error", "Finch Sync Failed"),
        ("reauth_error", "Finch Sync Action Required"),
        ("permissions_error", "Finch Sync Action Required"),
    ],
)
def test_each_final_word_is_announced_once(workflow: Workflow, word: str, detail_type: str) -> None:
    workflow.sandbox.patch(completion_status=word)

    job = workflow.follow()

    assert job.execution.states[-3:] == ["Announce", "End", "Done"]
    (announced,) = workflow.announced
    assert announced["DetailType"] == detail_type
    detail = json.loads(announced["Detail"])
    assert (detail["job_id"], detail["status"]) == (job.record.job_id, word)


def test_a_job_that_is_followed_no_more_is_announced_too(workflow: Workflow) -> None:
    workflow.deploy(job_deadline_seconds=60)

    job = workflow.follow()

    assert job.execution.states[-3:] == ["Announce", "End", "TrackingTimedOut"]
    assert [announced["DetailType"] for announced in workflow.announced] == ["Finch Sync Tracking Lost"]
    workflow.tell_of_end(job.execution.name)
    assert len(workflow.announced) == 1


def test_an_announcement_that_eventbridge_refuses_is_made_again(workflow: Workflow) -> None:
    workflow.announcements_to_refuse = 3

    job = workflow.follow()

    assert job.execution.status == "SUCCEEDED"
    assert len(job.execution.failures) == 3
    assert len(workflow.announced) == 1


def test_an_announcement_that_eventbridge_never_takes_fails_the_execution_and_leaves_the_record_right(
    workflow: Workflow,
) -> None:
    workflow.announcements_to_refuse = 1000

    job = workflow.follow()

    assert job.execution.status == "FAILED"
    assert len(job.execution.failures) == 13
    assert all(pause <= 300 for pause in workflow.retry_pauses)
    assert (job.record.tracking, job.record.status) == (Tracking.DONE, "complete")
    workflow.tell_of_end(job.execution.name)
    assert workflow.names() == [job.execution.name]
    assert workflow.record(job.record.job_id) == job.record


def test_a_job_whose_execution_died_too_late_is_announced_by_the_function(workflow: Workflow) -> None:
    workflow.deploy(job_deadline_seconds=600)
    workflow.before_wait = lambda waiting: workflow.stop(waiting.execution)
    (job_id,) = workflow.start()
    workflow.ended(job_id)
    workflow.clock.advance(seconds=600)

    workflow.tell_of_end(job_id)

    assert [announced["DetailType"] for announced in workflow.announced] == ["Finch Sync Tracking Lost"]
