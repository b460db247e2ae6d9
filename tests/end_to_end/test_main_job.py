"""The main job on real parts: the template, deployed; the function, in its own processes; Finch, over HTTP."""

import time
from collections.abc import Callable

import finch
import pytest
import urllib3

from local_aws.progress import JobProgress, jobs_of
from local_aws.stack import Stack
from tests.stack import SCHEDULED

pytestmark = pytest.mark.xdist_group("stack")


def caller(stack: Stack, connection: str) -> finch.Finch:
    """Finch's own SDK, with this stack in Finch's place."""
    return finch.Finch(access_token=stack.connections[connection], base_url=stack.api_url, max_retries=0)


def eventually(look: Callable[[], JobProgress | None], stack: Stack, seconds: float) -> JobProgress:
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s; the function's log:\n" + "\n".join(stack.function_log()[-30:]))
        time.sleep(0.2)
    return found


def ended_job(stack: Stack, connection: str, job_id: str | None = None) -> Callable[[], JobProgress | None]:
    def look() -> JobProgress | None:
        jobs = [job for job in jobs_of(stack, connection) if job_id in (None, job.job_id)]
        return jobs[0] if jobs and jobs[0].ended else None

    return look


def test_a_job_over_http_is_followed_to_finchs_final_word(stack: Stack) -> None:
    accepted = caller(stack, "acme").sandbox.jobs.create(type="data_sync_all")
    job = eventually(ended_job(stack, "acme", accepted.job_id), stack, 60)

    assert (job.status, job.tracking, job.execution) == ("complete", "done", "SUCCEEDED")
    assert job.polls >= 1
    told = caller(stack, "acme").jobs.automated.retrieve(accepted.job_id)
    assert (told.status, told.job_id) == ("complete", accepted.job_id)
    assert told.completed_at is not None
    assert [each.job_id for each in caller(stack, "acme").jobs.automated.list().data] == [accepted.job_id]


def test_the_job_url_leads_back_to_the_job(stack: Stack) -> None:
    accepted = caller(stack, "globex").sandbox.jobs.create(type="data_sync_all")
    authorization = {"Authorization": f"Bearer {stack.connections['globex']}"}
    answer = urllib3.request("GET", accepted.job_url, headers=authorization)
    assert answer.status == 200
    assert answer.json()["job_id"] == accepted.job_id


def test_another_callers_job_is_not_found(stack: Stack) -> None:
    accepted = caller(stack, "globex").sandbox.jobs.create(type="data_sync_all")
    with pytest.raises(finch.NotFoundError):
        caller(stack, "acme").jobs.automated.retrieve(accepted.job_id)


def test_an_assisted_connection_has_no_job(stack: Stack) -> None:
    accepted = caller(stack, "initech-assisted").sandbox.jobs.create(type="data_sync_all")
    assert accepted.job_id is None
    assert accepted.job_url is None
    assert jobs_of(stack, "initech-assisted") == []


def test_an_unknown_route_is_answered_in_finchs_shape(stack: Stack) -> None:
    answer = urllib3.request("GET", f"{stack.api_url}/employer/directory")
    assert answer.status == 404
    assert answer.json() == {
        "code": 404,
        "name": "not_found_error",
        "finch_code": "route_not_found",
        "message": "No such endpoint.",
    }


def test_the_schedules_rule_enqueues_for_its_connections(stack: Stack) -> None:
    job = eventually(ended_job(stack, SCHEDULED), stack, 100)
    assert (job.status, job.tracking, job.execution) == ("complete", "done", "SUCCEEDED")
