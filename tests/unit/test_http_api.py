"""The HTTP edge: what is refused before anything happens, and what every answer carries."""

import base64
import json

import pytest

from finch_sandbox.faults import ErrorAnswer, ErrorFault, ResetFault
from tests.unit.callers import ENQUEUE, HOST, Answered, Caller, answered, proxy_event
from tests.world import CALLER_TOKENS, World

BAD_REQUEST = (400, "bad_request", "invalid_request")


@pytest.fixture
def acme(world: World) -> Caller:
    return Caller(world)


def test_every_answer_has_the_headers_that_an_api_owes(acme: Caller) -> None:
    answers = [
        acme.enqueue(),
        acme.enqueue("no json"),
        acme.jobs(),
        acme.job("unknown"),
        acme.call("PUT", "/sandbox/jobs"),
        answered(acme.world, proxy_event("GET", "/jobs/automated")),
    ]
    assert [answer.status for answer in answers] == [200, 400, 200, 404, 405, 401]
    for answer in answers:
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Request-Id"]


def test_a_job_is_answered_as_finch_answers_it(acme: Caller) -> None:
    told = acme.enqueue()
    job_id = told.body["job_id"]
    url = f"https://{HOST}/v1/jobs/automated/{job_id}"
    assert told.body == {"job_id": job_id, "job_url": url, "allowed_refreshes": 100, "remaining_refreshes": 99}
    assert told.headers["Finch-Request-Id"]
    job = acme.job(job_id)
    assert job.body == {
        "job_id": job_id,
        "job_url": url,
        "type": "data_sync_all",
        "status": "pending",
        "created_at": "2026-11-22T12:00:00.000Z",
    }
    assert acme.jobs().body["data"] == [job.body]


def test_refreshes_that_finch_did_not_tell_are_left_out(acme: Caller) -> None:
    acme.world.sandbox.patch(list_quotas=False)
    acme.world.sandbox.add_fault(ResetFault(when="after"), method="POST")
    assert set(acme.enqueue().body) == {"job_id", "job_url"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (" ", "body"),
        ("{", "body"),
        ("[]", "body"),
        ('"data_sync_all"', "body"),
        ("null", "body"),
        ("{}", "type"),
        ('{"type":null}', "type"),
        ('{"type":["data_sync_all"]}', "type"),
        ('{"type":"w4_form_employee_sync"}', "type"),
        ('{"Type":"data_sync_all"}', "type"),
        ('{"type":"data_sync_all","more":NaN}', "body"),
        ('{"type":"data_sync_all","more":-Infinity}', "body"),
        ('{"type":"data_sync_all","more":' + "9" * 5000 + "}", "body"),
        ("[" * 9000, "body"),
        ('{"type":"data_sync_all","more":' + "[" * 17 + "]" * 17 + "}", "body"),
        ('{"type":"data_sync_all","more":' + '{"a":' * 1000 + "1" + "}" * 1000 + "}", "body"),
        ("\ufeff{}", "body"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_body_is_refused_by_the_name_of_what_is_wrong(acme: Caller, body: str, named: str) -> None:
    answer = acme.enqueue(body)
    assert answer.error == BAD_REQUEST
    assert answer.body["message"].startswith(f"{named}: ")
    assert answer.headers["x-should-retry"] == "false"
    assert acme.world.posts_seen() == 0


@pytest.mark.parametrize("body", [None, ""])
def test_no_body_asks_for_the_one_kind_of_job_that_there_is(acme: Caller, body: str | None) -> None:
    first, second = acme.enqueue(body, Idempotency_Key="k"), acme.enqueue(Idempotency_Key="k")
    assert (first.status, first.text) == (200, second.text)


@pytest.mark.parametrize("more", ["1e999", "[[[]]]", '"\\ud800"', "1e-999", "-0", '{"":{}}'])
def test_what_finch_does_not_know_in_a_body_is_let_be(acme: Caller, more: str) -> None:
    assert acme.enqueue(f'{{"type":"data_sync_all","more":{more}}}').status == 200


def test_a_body_over_the_limit_is_a_413(acme: Caller) -> None:
    answer = acme.enqueue(json.dumps({"type": "data_sync_all", "more": "x" * 10_000}))
    assert answer.error == (413, "bad_request", "invalid_request")


@pytest.mark.parametrize(
    ("encoded", "status"),
    [
        (base64.b64encode(ENQUEUE.encode()).decode(), 200),
        (ENQUEUE, 400),
        ("====", 400),
        ("\u00e9", 400),
        (base64.b64encode(b"\xff\xfe\xff").decode(), 400),
        (base64.b64encode(b'{"type":"\x80"}').decode(), 400),
    ],
)
def test_a_body_that_api_gateway_encoded(acme: Caller, encoded: str, status: int) -> None:
    assert acme.call("POST", "/sandbox/jobs", body=encoded, is_base64=True).status == status


@pytest.mark.parametrize("key", ["", " ", "two words", "k" * 256, "k\u00e9y", "k\ney", "\x7f"])
def test_a_wrong_idempotency_key_is_refused(acme: Caller, key: str) -> None:
    answer = acme.enqueue(Idempotency_Key=key)
    assert answer.error == BAD_REQUEST
    assert answer.body["message"].startswith("Idempotency-Key: ")


def test_a_replay_is_the_first_answer_and_says_so(acme: Caller) -> None:
    first, again = (acme.enqueue(Idempotency_Key="k") for _ in range(2))
    assert "Idempotent-Replayed" not in first.headers
    acme.world.clock.advance(seconds=1)
    replayed = acme.enqueue(Idempotency_Key="k")
    assert first.text == again.text == replayed.text
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert acme.world.posts_seen() == 1


def test_a_key_with_another_body_is_a_conflict_that_repeating_does_not_solve(acme: Caller) -> None:
    acme.enqueue(Idempotency_Key="k")
    other = acme.enqueue('{"type":"data_sync_all","more":1}', Idempotency_Key="k")
    assert other.error == (409, "conflict_error", "idempotency_key_reused")
    assert other.headers["x-should-retry"] == "false"


REPEATED = {"x_stainless_retry_count": "1"}


def test_an_sdks_repetition_after_the_end_gets_the_answer_that_its_first_try_lost(acme: Caller) -> None:
    """The SDK gave up waiting, the function did not: by the time of the second try the job may even have ended."""
    first = acme.enqueue(x_stainless_retry_count="0")
    acme.world.clock.advance(seconds=29)
    repeated = acme.enqueue(**REPEATED)
    assert repeated.text == first.text
    assert repeated.headers["Idempotent-Replayed"] == "true"
    assert acme.world.posts_seen() == 1


def test_a_call_that_is_no_repetition_is_a_call_of_its_own(acme: Caller) -> None:
    acme.enqueue()
    acme.world.clock.advance(seconds=10)
    acme.enqueue(x_stainless_retry_count="0")
    assert acme.world.posts_seen() == 2


def test_a_repetition_of_something_else_is_a_call_of_its_own(acme: Caller) -> None:
    acme.enqueue(Idempotency_Key="k")
    acme.enqueue(**REPEATED)
    acme.enqueue('{"type":"data_sync_all","more":1}', **REPEATED)
    acme.world.clock.advance(seconds=31)
    acme.enqueue('{"type":"data_sync_all","more":1}', **REPEATED)
    Caller(acme.world, "globex").enqueue(**REPEATED)
    assert (acme.world.posts_seen(), acme.world.posts_seen("globex")) == (4, 1)


def test_a_key_is_its_connections_own(world: World) -> None:
    first, second = (Caller(world, each).enqueue(Idempotency_Key="k").body["job_id"] for each in ("acme", "globex"))
    assert first != second


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"limit": "1e400"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "10001"}, "offset"),
        ({"offset": "\u0663\u066b"}, "offset"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_page_is_refused_by_name(acme: Caller, query: dict[str, str], named: str) -> None:
    answer = acme.jobs(**query)
    assert answer.error == BAD_REQUEST
    assert answer.body["message"].startswith(f"{named}: ")
    assert query[named] == "" or query[named] not in answer.body["message"]


def test_pages_are_newest_first(acme: Caller) -> None:
    made = []
    for _ in range(3):
        made.append(acme.enqueue().body["job_id"])
        acme.world.clock.advance(seconds=60)
    assert [job["job_id"] for job in acme.jobs().body["data"]] == made[::-1]
    assert [job["job_id"] for job in acme.jobs(limit="1", offset="1").body["data"]] == [made[1]]
    assert acme.jobs(offset="3").body["data"] == []
    quota = {"data_sync_all": {"allowed_refreshes": 100, "remaining_refreshes": 97}}
    assert acme.jobs().body["meta"] == {"quotas": quota}


@pytest.mark.parametrize(
    "job_id", ["", "..", "../jobs", "a b", "a" * 65, "\x00", "\u00fc", "%2e%2e", "job#x", "'", "*"]
)
def test_what_cannot_be_an_id_is_an_unknown_one(acme: Caller, job_id: str) -> None:
    wrong, unknown = acme.job(job_id), acme.job("3f2b6a52-0000-4000-8000-000000000000")
    assert wrong.error == (404, "not_found_error", "item_not_found")
    assert wrong.text == unknown.text


def test_another_connections_job_looks_exactly_like_an_unknown_one(world: World) -> None:
    job_id = Caller(world, "globex").enqueue().body["job_id"]
    theirs, unknown = Caller(world).job(job_id), Caller(world).job("3f2b6a52-0000-4000-8000-000000000000")
    theirs.headers.pop("X-Request-Id")
    unknown.headers.pop("X-Request-Id")
    assert theirs == unknown
    assert theirs.status == 404
    assert Caller(world).jobs().body["data"] == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
def test_another_method_is_told_which_one_there_is(acme: Caller, method: str) -> None:
    answer = acme.call(method, "/sandbox/jobs")
    assert answer.error == (405, "method_not_allowed_error", "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("resource", ["/jobs/automated", "/jobs/automated/{job_id}"])
def test_jobs_are_only_read(acme: Caller, resource: str) -> None:
    for method in ("POST", "DELETE"):
        answer = acme.call(method, resource, path_parameters={"job_id": "x"})
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")


def test_an_unknown_route_is_not_found(acme: Caller) -> None:
    assert acme.call("GET", "/employer/directory").error == (404, "not_found_error", "route_not_found")


def unauthorized(world: World, headers: dict[str, str]) -> Answered:
    return answered(world, proxy_event("GET", "/jobs/automated", headers=headers))


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer  " + CALLER_TOKENS["acme"],
        "Basic " + CALLER_TOKENS["acme"],
        CALLER_TOKENS["acme"],
        "Bearer " + CALLER_TOKENS["acme"] + " ",
        "Bearer " + CALLER_TOKENS["acme"].upper(),
        "Bearer " + CALLER_TOKENS["acme"] + ",Bearer " + CALLER_TOKENS["globex"],
        "Bearer t\u00f6ken",
        "Bearer \x00",
        "Bearer " + "x" * 10_000,
        "Bearer " + "0" * 64,
        "\ud800",
    ],
    ids=lambda value: str(value)[:24],
)
def test_wrong_credentials_all_get_the_same_answer(world: World, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer, plain = unauthorized(world, headers), unauthorized(world, {})
    assert answer.error == (401, "invalid_token_error", "invalid_token")
    assert (answer.text, answer.headers.keys()) == (plain.text, plain.headers.keys())
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_neither_the_headers_name_nor_the_scheme_has_a_case(world: World, name: str, scheme: str) -> None:
    assert unauthorized(world, {name: f"{scheme} {CALLER_TOKENS['acme']}"}).status == 200


def test_the_quotas_429_is_finchs_own_and_not_slept_on(acme: Caller) -> None:
    acme.world.sandbox.patch(allowed_refreshes=0)
    answer = acme.enqueue()
    assert answer.status == 429
    assert answer.body == {"allowed_refreshes": 0, "remaining_refreshes": 0, "retry_at": answer.body["retry_at"]}
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("400_bad_request", 400),
        ("401_reauthenticate_user", 401),
        ("402_payment_required", 402),
        ("403_insufficient_scope", 403),
        ("404_not_found", 404),
        ("429_application", 429),
        ("501_not_implemented", 501),
    ],
)
def test_finchs_refusals_are_handed_on_in_its_shape(acme: Caller, fault: ErrorAnswer, status: int) -> None:
    acme.world.sandbox.add_fault(ErrorFault(answer=fault))
    answer = acme.enqueue()
    assert answer.error[0] == status
    assert answer.headers["x-should-retry"] == "false"
