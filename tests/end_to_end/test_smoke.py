"""What any deployed stack must do, tried with its address and one caller token: `make smoke API_URL=... TOKEN=...`.

It spends one refresh of the token's connection. Where none is left, it goes on with that connection's newest job.
"""

import time
import uuid
from dataclasses import dataclass

import finch
import pytest

from finch_sync.jobs import TERMINAL_STATUSES
from tests.end_to_end.deployed import Deployed, patience

pytestmark = pytest.mark.xdist_group("stack")

SYNC = {"type": "data_sync_all"}


@dataclass(frozen=True)
class Accepted:
    """A trigger that was answered with 200: its key, the answer's bytes, and the job."""

    key: str
    body: bytes
    job_id: str | None


@pytest.fixture(scope="module")
def accepted(deployed: Deployed) -> Accepted:
    key = f"smoke-{uuid.uuid4()}"
    until = time.monotonic() + 180
    while (answer := deployed.call("POST", "/sandbox/jobs", SYNC, Idempotency_Key=key)).status in {409, 502, 503, 504}:
        assert time.monotonic() < until, answer.data
        time.sleep(float(answer.headers.get("Retry-After", 1)))
    if answer.status == 429:
        pytest.skip(f"no refresh is left: {answer.data!r}")
    assert answer.status == 200, answer.data
    return Accepted(key, answer.data, answer.json()["job_id"])


@pytest.fixture(scope="module")
def job_id(deployed: Deployed, request: pytest.FixtureRequest) -> str:
    try:
        accepted: Accepted = request.getfixturevalue("accepted")
    except pytest.skip.Exception:
        jobs = deployed.sdk.jobs.automated.list().data
        if not jobs:
            raise
        return str(jobs[0].job_id)
    if accepted.job_id is None:
        pytest.skip("an assisted connection has no jobs")
    return accepted.job_id


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic d3Jvbmc="])
def test_nobody_gets_in_without_a_caller_token(deployed: Deployed, authorization: str) -> None:
    for method, path in [("GET", "/jobs/automated"), ("GET", "/jobs/automated/x"), ("POST", "/sandbox/jobs")]:
        answer = deployed.call(method, path, Authorization=authorization)
        assert answer.status == 401
        assert answer.json()["finch_code"] == "invalid_token"


def test_an_unknown_route_is_answered_in_finchs_shape(deployed: Deployed) -> None:
    answer = deployed.call("GET", "/employer/directory")
    assert answer.status == 404
    assert answer.json()["finch_code"] == "route_not_found"


def test_a_wrong_body_is_told_which_field_is_wrong(deployed: Deployed) -> None:
    answer = deployed.call("POST", "/sandbox/jobs", {"type": "everything"})
    assert answer.status == 400
    assert answer.json()["message"].startswith("type:")


def test_a_job_that_nobody_made_is_not_found(deployed: Deployed) -> None:
    with pytest.raises(finch.NotFoundError):
        deployed.sdk.jobs.automated.retrieve(str(uuid.uuid4()))


def test_the_same_key_gets_the_same_answer_byte_for_byte(deployed: Deployed, accepted: Accepted) -> None:
    again = deployed.call("POST", "/sandbox/jobs", SYNC, Idempotency_Key=accepted.key)
    assert (again.status, again.data) == (200, accepted.body)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_key_is_for_one_body(deployed: Deployed, accepted: Accepted) -> None:
    reused = deployed.call("POST", "/sandbox/jobs", SYNC | {"more": 1}, Idempotency_Key=accepted.key)
    assert reused.status == 409
    assert reused.json()["finch_code"] == "idempotency_key_reused"


def test_the_job_url_leads_back_to_the_job(deployed: Deployed, job_id: str) -> None:
    job_url = deployed.sdk.jobs.automated.retrieve(job_id).job_url
    assert job_url == f"{deployed.api_url}/jobs/automated/{job_id}"


def test_a_webhook_that_finch_did_not_send_is_refused(deployed: Deployed) -> None:
    said = {"event_type": "job.data_sync_all.completed", "data": {"job_id": str(uuid.uuid4())}}
    for forged in (
        {},
        {"Finch_Event_Id": "msg_1", "Finch_Timestamp": str(int(time.time())), "Finch_Signature": "v1,Zm9yZ2Vk"},
    ):
        assert deployed.call("POST", "/webhooks/finch", said, **forged).status == 401


def test_a_caller_who_waits_is_told_finchs_final_word(deployed: Deployed, job_id: str) -> None:
    until = time.monotonic() + patience()
    while (told := deployed.call("GET", f"/jobs/automated/{job_id}", Prefer="wait=10")).json()[
        "status"
    ] not in TERMINAL_STATUSES:
        assert told.status == 200
        assert time.monotonic() < until, f"still {told.json()['status']}"
        time.sleep(1)
    assert told.headers["Finch-Sync-Tracking"] == "done"
    listed = {each.job_id: each.status for each in deployed.sdk.jobs.automated.list().data}
    assert listed[job_id] == told.json()["status"]
