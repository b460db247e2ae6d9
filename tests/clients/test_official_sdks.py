"""Finch's own SDKs, unchanged, on this stack in Finch's place, with the retries that they make by themselves."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from finch_sandbox.faults import ErrorAnswer, ErrorFault, Fault, ResetFault, SlowFault, TruncatedFault
from finch_sandbox.settings import TerminalStatus
from tests.clients.sdks import Sdk, create, list_jobs, node, python, retrieve, strict_python
from tests.stack import Place

pytestmark = pytest.mark.xdist_group("stack")

BOTH = [pytest.param(python, id="python"), pytest.param(node, id="node")]
NewPlace = Callable[[], Place]

UNKNOWN_JOB = "3f2b6a52-0000-4000-8000-000000000000"


FINAL_WORDS: list[TerminalStatus] = ["complete", "error", "reauth_error", "permissions_error"]


def test_a_job_is_followed_to_each_final_word(new_place: NewPlace) -> None:
    """All at once, since each waits for the first look at its job."""
    tried = [(sdk, word, new_place()) for sdk in (strict_python, node) for word in FINAL_WORDS]
    with ThreadPoolExecutor(len(tried)) as pool:
        for ended in [pool.submit(_follow, *each) for each in tried]:
            ended.result()


def _follow(sdk: Sdk, word: TerminalStatus, place: Place) -> None:
    place.patch(completion_status=word, pending_seconds=0.2, in_progress_seconds=0.2, allowed_refreshes=1)
    [accepted] = sdk(place.api_url, place.caller_token, create())
    job_id = accepted.value["job_id"]
    assert accepted.value == {
        "job_id": job_id,
        "job_url": f"{place.api_url}/jobs/automated/{job_id}",
        "allowed_refreshes": 1,
        "remaining_refreshes": 0,
    }
    _await_end(place, job_id)
    job, listed, empty = sdk(
        place.api_url, place.caller_token, retrieve(job_id), list_jobs(), list_jobs(limit=1, offset=1)
    )
    assert (job.value["status"], job.value["job_id"], job.value["type"]) == (word, job_id, "data_sync_all")
    assert job.value["completed_at"]
    assert listed.value["data"] == [job.value]
    assert listed.value["meta"]["quotas"]["data_sync_all"] == {"allowed_refreshes": 1, "remaining_refreshes": 0}
    assert empty.value["data"] == []
    assert place.jobs_made() == [job_id]


def _await_end(place: Place, job_id: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        [told] = python(place.api_url, place.caller_token, retrieve(job_id))
        if told.value["status"] not in {"pending", "in_progress"}:
            return
        time.sleep(1)
    pytest.fail(f"not within 60 s: {told}")


@pytest.mark.parametrize("sdk", BOTH)
def test_an_assisted_connection_has_no_job(sdk: Sdk, assisted: Place) -> None:
    [accepted, listed] = sdk(assisted.api_url, assisted.caller_token, create(), list_jobs())
    assert (accepted.value["job_id"], accepted.value["job_url"]) == (None, None)
    assert listed.value["data"] == []
    assert assisted.jobs_made() == []


@pytest.mark.parametrize("sdk", BOTH)
def test_mistakes_arrive_as_the_sdks_name_them_and_are_made_once(sdk: Sdk, place: Place) -> None:
    key = str(uuid4())
    began = time.monotonic()
    told = sdk(
        place.api_url,
        place.caller_token,
        create({"type": "w4_form_employee_sync"}),
        retrieve(UNKNOWN_JOB),
        retrieve("a/b c"),
        list_jobs(limit=0),
    )
    assert [(each.error, each.status) for each in told] == [
        ("BadRequestError", 400),
        ("NotFoundError", 404),
        ("NotFoundError", 404),
        ("BadRequestError", 400),
    ]
    assert all(each.body["code"] == each.status and each.body["message"] for each in told)
    [stranger] = sdk(place.api_url, f"not-{place.caller_token}", create(Idempotency_Key=key))
    assert (stranger.error, stranger.body["name"]) == ("AuthenticationError", "invalid_token_error")
    assert time.monotonic() - began < 10
    assert place.posts() == 0


@pytest.mark.parametrize("sdk", BOTH)
def test_another_callers_job_is_not_found(sdk: Sdk, place: Place, new_place: NewPlace) -> None:
    other = new_place()
    [theirs] = sdk(other.api_url, other.caller_token, create())
    [told] = sdk(place.api_url, place.caller_token, retrieve(theirs.value["job_id"]))
    assert (told.error, told.status) == ("NotFoundError", 404)


@pytest.mark.parametrize("sdk", BOTH)
def test_an_idempotency_key_gives_the_same_job_and_a_conflict_for_another_request(sdk: Sdk, place: Place) -> None:
    key = str(uuid4())
    other = {"type": "data_sync_all", "extra_body": {"more": 1}} if sdk is python else {"type": "data_sync_all", "m": 1}
    first, again, conflict = sdk(
        place.api_url,
        place.caller_token,
        create(Idempotency_Key=key),
        create(Idempotency_Key=key),
        create(other, Idempotency_Key=key),
    )
    assert first.value == again.value
    assert (conflict.error, conflict.status) == ("ConflictError", 409)
    assert place.posts() == 1


@pytest.mark.parametrize("sdk", BOTH)
def test_a_used_up_quota_is_told_at_once_and_not_slept_on(sdk: Sdk, place: Place) -> None:
    place.patch(allowed_refreshes=0)
    began = time.monotonic()
    [told] = sdk(place.api_url, place.caller_token, create())
    assert (told.error, told.status) == ("RateLimitError", 429)
    assert set(told.body) == {"allowed_refreshes", "remaining_refreshes", "retry_at"}
    assert time.monotonic() - began < 10
    assert place.posts() == 1


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [
        ("401_reauthenticate_user", "AuthenticationError", 401),
        ("402_payment_required", ("APIStatusError", "APIError"), 402),
        ("403_insufficient_permissions", "PermissionDeniedError", 403),
        ("429_application", "RateLimitError", 429),
        ("501_not_implemented", "InternalServerError", 501),
    ],
)
@pytest.mark.parametrize("sdk", BOTH)
def test_finchs_refusal_ends_the_call_without_another(
    sdk: Sdk, place: Place, answer: ErrorAnswer, error: str | tuple[str, str], status: int
) -> None:
    place.add_fault(ErrorFault(answer=answer), method="POST", times=None)
    [told] = sdk(place.api_url, place.caller_token, create())
    assert told.status == status
    assert told.error in error if isinstance(error, tuple) else told.error == error
    assert place.posts() == 1


LOST: list[Fault] = [
    ErrorFault(answer="500_server_error", when="after"),
    ErrorFault(answer="504_timeout", when="after"),
    ResetFault(when="after"),
    TruncatedFault(),
]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: f"{fault.kind}-{getattr(fault, 'answer', '')}")
@pytest.mark.parametrize("sdk", BOTH)
def test_an_answer_lost_on_the_way_from_finch_is_found_again(sdk: Sdk, place: Place, fault: Fault) -> None:
    place.add_fault(fault, method="POST", times=None)
    [told] = sdk(place.api_url, place.caller_token, create())
    assert [told.value["job_id"]] == place.jobs_made()
    assert place.posts() == 1


def test_a_finch_that_is_down_is_an_error_and_no_second_post(new_place: NewPlace) -> None:
    """The SDK asks three times; each looks into the first POST, which may yet take effect, and sends no other.

    All at once, since the SDKs keep to the Retry-After of 5 seconds between.
    """
    answers: list[ErrorAnswer] = ["500_server_error", "502_bad_gateway", "503_unavailable"]
    tried = [(sdk, answer, new_place()) for sdk in (python, node) for answer in answers]
    for _, answer, place in tried:
        place.add_fault(ErrorFault(answer=answer), times=None)
    with ThreadPoolExecutor(len(tried)) as pool:
        ends = list(pool.map(lambda each: each[0](each[2].api_url, each[2].caller_token, create()), tried))
    for [told], (_, _, place) in zip(ends, tried, strict=True):
        assert (told.error, told.status) == ("InternalServerError", 503)
        assert told.body["finch_code"] == "outcome_unknown"
        assert place.posts() == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("sdk", BOTH)
def test_a_client_that_gives_up_and_asks_again_gets_the_one_job(sdk: Sdk, place: Place, when: str) -> None:
    place.add_fault(SlowFault(when="before" if when == "before" else "after", seconds=2), method="POST")
    [told] = sdk(place.api_url, place.caller_token, create(), retries=5, timeout=1)
    assert [told.value["job_id"]] == place.jobs_made()
    assert place.posts() == 1


@pytest.mark.parametrize("sdk", BOTH)
def test_two_callers_with_one_key_at_once_get_one_job(sdk: Sdk, place: Place) -> None:
    place.add_fault(SlowFault(seconds=1), method="POST")
    call = create(Idempotency_Key=str(uuid4()))
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda _: sdk(place.api_url, place.caller_token, call)[0], range(2)))
    assert [each.value["job_id"] for each in told] == place.jobs_made() * 2
    assert place.posts() == 1
