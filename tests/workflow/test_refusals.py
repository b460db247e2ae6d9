"""What Finch may say instead of how a job stands."""

import json
import threading
from datetime import timedelta

import pytest

from finch_sandbox.control import ConnectionChange
from finch_sandbox.faults import ErrorAnswer, ErrorFault, RawFault, RewriteFault
from finch_sync import polling
from finch_sync.jobs import Tracking
from finch_sync.tracking import NOT_FOUND_TOLERATED
from tests.workflow.stage import LOOKS, Followed, Waiting, Workflow

NOT_FOUND = ErrorFault(answer="404_not_found")


def assert_lost(workflow: Workflow, job: Followed, because: str) -> None:
    assert (job.execution.status, job.execution.error) == ("FAILED", "TrackingLost")
    assert job.record.tracking is Tracking.LOST
    assert job.record.tracking_reason is not None
    assert because in job.record.tracking_reason
    workflow.tell_of_end(job.execution.name)
    assert workflow.names() == [job.execution.name]
    assert workflow.record(job.record.job_id) == job.record


# --- words that nobody knows ------------------------------------------------------------------------------------------


def test_a_status_that_nobody_knows_is_waited_on_until_the_deadline_and_stays_on_record(workflow: Workflow) -> None:
    workflow.deploy(job_deadline_seconds=600)
    workflow.sandbox.add_fault(RewriteFault(put={"status": "reconsidering"}), path=LOOKS, times=None)

    job = workflow.follow()

    assert (job.execution.status, job.execution.error) == ("FAILED", "TrackingTimedOut")
    assert (job.record.tracking, job.record.status) == (Tracking.TIMED_OUT, "reconsidering")
    assert job.record.tracking_reason == "the deadline passed"
    assert job.record.ended_at is not None
    assert 0 <= (job.record.ended_at - job.record.deadline).total_seconds() < 1


def test_an_execution_that_failed_with_its_tracking_ended_is_not_replaced(workflow: Workflow) -> None:
    workflow.deploy(job_deadline_seconds=600)
    workflow.sandbox.patch(in_progress_seconds=3600)
    job = workflow.follow()
    assert job.record.tracking is Tracking.TIMED_OUT

    workflow.tell_of_end(job.execution.name)

    assert workflow.names() == [job.execution.name]
    assert workflow.record(job.record.job_id) == job.record


def test_a_status_that_nobody_knows_may_be_followed_by_one_that_is_known(workflow: Workflow) -> None:
    workflow.sandbox.add_fault(RewriteFault(put={"status": "reconsidering"}), path=LOOKS, times=3)

    job = workflow.follow()

    assert [state["status"] for state in job.execution.inputs("Poll")][:4] == ["pending", *["reconsidering"] * 3]
    assert (job.record.tracking, job.record.status) == (Tracking.DONE, "complete")


# --- 404 --------------------------------------------------------------------------------------------------------------


def test_a_job_that_finch_does_not_find_at_first_is_followed_on(workflow: Workflow) -> None:
    workflow.sandbox.add_fault(NOT_FOUND, path=LOOKS, times=NOT_FOUND_TOLERATED)

    job = workflow.follow()

    assert [state["not_found"] for state in job.execution.inputs("Poll")] == list(range(NOT_FOUND_TOLERATED + 1))
    assert job.execution.status == "SUCCEEDED"
    assert (job.record.tracking, job.record.polls) == (Tracking.DONE, 1)


def test_a_job_that_finch_finds_in_between_may_be_not_found_as_often_again(workflow: Workflow) -> None:
    workflow.sandbox.patch(in_progress_seconds=600)
    workflow.sandbox.add_fault(NOT_FOUND, path=LOOKS, times=NOT_FOUND_TOLERATED)
    workflow.sandbox.add_fault(NOT_FOUND, path=LOOKS, skip=1, times=NOT_FOUND_TOLERATED)

    job = workflow.follow()

    assert job.record.tracking is Tracking.DONE


def test_a_job_that_finch_never_finds_is_lost(workflow: Workflow) -> None:
    workflow.sandbox.add_fault(NOT_FOUND, path=LOOKS, times=None)

    job = workflow.follow()

    assert job.execution.polls == NOT_FOUND_TOLERATED + 1
    assert_lost(workflow, job, "job not found")


# --- 401 to 403, and other refusals -----------------------------------------------------------------------------------


def test_a_token_that_was_replaced_in_the_secret_too_is_taken_up_at_once(workflow: Workflow) -> None:
    def reauthenticate(waiting: Waiting) -> None:
        if len(workflow.looks()) == 1:
            workflow.sandbox.change_connection(ConnectionChange(action="rotate", name=waiting.connection))
            workflow.put_secret(workflow.sandbox.tokens)

    workflow.before_wait = reauthenticate
    job = workflow.follow()

    assert 401 in [request["status"] for request in workflow.sandbox.ledger()["requests"]]
    assert job.execution.failures == []
    assert job.record.tracking is Tracking.DONE


def test_a_token_that_finch_refuses_and_nobody_replaced_loses_the_job(workflow: Workflow) -> None:
    def reauthenticate(waiting: Waiting) -> None:
        if len(workflow.looks()) == 1:
            workflow.sandbox.change_connection(ConnectionChange(action="rotate", name=waiting.connection))

    workflow.before_wait = reauthenticate
    job = workflow.follow()

    assert_lost(workflow, job, "Finch answered 401")
    assert len(workflow.looks()) == 2


@pytest.mark.parametrize(
    "answer",
    [
        "401_no_authentication",
        "401_reauthenticate_user",
        "402_payment_required",
        "403_insufficient_permissions",
        "403_insufficient_scope",
        "400_bad_request",
        "501_not_implemented",
    ],
)
def test_a_refusal_that_only_a_person_can_change_loses_the_job_and_says_why(
    workflow: Workflow, answer: ErrorAnswer
) -> None:
    workflow.sandbox.add_fault(ErrorFault(answer=answer), path=LOOKS, times=None)

    job = workflow.follow()

    assert job.execution.polls == 1
    assert_lost(workflow, job, f"Finch answered {answer[:3]}")


def test_a_connection_that_is_taken_out_of_the_secret_loses_its_job(workflow: Workflow) -> None:
    workflow.sandbox.patch(in_progress_seconds=600)

    def take_out(_: Waiting) -> None:
        if len(workflow.looks()) == 1:
            workflow.put_secret({"globex": workflow.sandbox.tokens["globex"]})

    workflow.before_wait = take_out
    job = workflow.follow()

    assert_lost(workflow, job, "no connection named 'acme'")


# --- 429 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (ErrorFault(answer="429_application", retry_after="200"), 200),
        (ErrorFault(answer="429_application"), 60),
        (ErrorFault(answer="429_upstream"), 60),
        (ErrorFault(answer="429_ip", retry_after="700"), 700),
        (ErrorFault(answer="429_ip"), 3600),
        (RawFault(status=429, headers={"Retry-After": "90"}), 90),
    ],
)
def test_a_rate_limit_is_waited_out_as_long_as_finch_or_its_documentation_says(
    workflow: Workflow, fault: ErrorFault | RawFault, seconds: int
) -> None:
    workflow.sandbox.add_fault(fault, path=LOOKS)

    job = workflow.follow()

    assert job.execution.waits[1] == seconds
    first, second = workflow.looks()[:2]
    assert second - first == timedelta(seconds=seconds)
    assert job.execution.failures == []
    assert job.record.tracking is Tracking.DONE


def test_a_rate_limit_that_is_over_soon_does_not_make_looks_more_frequent(workflow: Workflow) -> None:
    workflow.sandbox.add_fault(ErrorFault(answer="429_application", retry_after="1"), path=LOOKS, times=10)

    job = workflow.follow()

    assert job.execution.polls > 10
    assert min(job.execution.waits) >= polling.FLOOR
    assert job.record.tracking is Tracking.DONE


def test_a_used_up_quota_is_waited_out_and_loses_no_job(workflow: Workflow) -> None:
    """A look spends no refresh (Finch API reference, "Retrieve an Automated Job"), but it may meet the same 429."""
    workflow.sandbox.add_fault(ErrorFault(answer="429_quota", retry_at_in_seconds=900), path=LOOKS)

    job = workflow.follow()

    assert job.execution.status == "SUCCEEDED"
    assert job.record.tracking is Tracking.DONE


def test_a_rate_limit_that_reaches_past_the_deadline_is_waited_out_until_the_deadline(workflow: Workflow) -> None:
    workflow.deploy(job_deadline_seconds=600)
    workflow.sandbox.add_fault(ErrorFault(answer="429_application", retry_after="86400"), path=LOOKS)

    job = workflow.follow()

    assert len(job.execution.waits) == 2
    assert sum(job.execution.waits) == 600
    assert job.record.tracking is Tracking.DONE


def test_a_limit_of_the_whole_address_keeps_every_other_job_from_finch_until_it_is_over(workflow: Workflow) -> None:
    """Each of the two waits for the other where the order of their steps matters."""
    workflow.sandbox.add_fault(ErrorFault(answer="429_ip", retry_after="700"), path=LOOKS, connection="acme")
    both_started, limited, held_back = threading.Event(), threading.Event(), threading.Event()

    def in_turn(waiting: Waiting) -> None:
        assert both_started.wait(20)
        if waiting.seconds >= 600:
            (limited if waiting.connection == "acme" else held_back).set()
        if waiting.connection == "acme" and waiting.seconds >= 600:
            assert held_back.wait(20)
        if waiting.connection == "globex" and waiting.seconds < 600:
            assert limited.wait(20)

    workflow.before_wait = in_turn
    acme, globex = workflow.start("acme", "globex")
    both_started.set()
    jobs = {
        "acme": workflow.followed(acme),
        "globex": workflow.followed(globex, connection="globex"),
    }

    over = workflow.looks("acme")[0] + timedelta(seconds=700)
    assert [look < over for look in workflow.looks("acme")] == [True, False]
    assert all(look >= over for look in workflow.looks("globex"))
    assert {name: job.record.tracking for name, job in jobs.items()} == dict.fromkeys(jobs, Tracking.DONE)


def test_a_limit_of_the_whole_address_reaches_other_environments_of_the_function(workflow: Workflow) -> None:
    workflow.sandbox.add_fault(ErrorFault(answer="429_ip", retry_after="700"), path=LOOKS)
    states = []

    def next_environment(waiting: Waiting) -> None:
        if waiting.seconds == 700:
            workflow.deploy()
            states.append(workflow.handle({"poll": first_look}))

    first_look = {}

    def remember(event: dict[str, object]) -> object:
        first_look.update(json.loads(json.dumps(event["poll"])))
        return workflow.handle(event)

    workflow.function = remember
    workflow.before_wait = next_environment
    job = workflow.follow()

    assert [(state["next"], state["wait_seconds"]) for state in states] == [("wait", 700)]
    assert len(workflow.looks()) == 2
    assert job.record.tracking is Tracking.DONE
