"""Injected faults: what the client gets, and whether Finch had acted."""

import time

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from finch_sandbox.faults import (
    ErrorAnswer,
    ErrorFault,
    FaultBook,
    FaultRule,
    Match,
    RawFault,
    ResetFault,
    RewriteFault,
    SlowFault,
    TruncatedFault,
    When,
)
from finch_sandbox.server import Sandbox
from tests.sandbox.conftest import Client


def jobs_made(sandbox: Sandbox) -> int:
    return len(sandbox.ledger()["jobs"])


@pytest.mark.parametrize(("when", "jobs"), [("before", 0), ("after", 1)])
def test_a_reset_loses_the_answer_before_or_after_finch_acts(
    client: Client, sandbox: Sandbox, when: When, jobs: int
) -> None:
    sandbox.add_fault(ResetFault(when=when), method="POST")
    with pytest.raises(urllib3.exceptions.ProtocolError) as lost:
        client.enqueue()
    assert isinstance(lost.value.args[1], ConnectionResetError)
    assert jobs_made(sandbox) == jobs
    entry = sandbox.ledger()["requests"][-1]
    assert (entry["status"], entry["fault"], entry["fault_when"]) == (None, "reset", when)
    assert entry["effect"] == ("job_created" if jobs else "none")
    assert client.enqueue().status == 200


def test_a_truncated_answer_ends_before_its_announced_length(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(TruncatedFault())
    with pytest.raises(urllib3.exceptions.ProtocolError, match="IncompleteRead"):
        client.enqueue()
    assert jobs_made(sandbox) == 1
    assert sandbox.ledger()["requests"][-1]["status"] is None


@pytest.mark.parametrize(("when", "jobs"), [("before", 0), ("after", 1)])
def test_a_client_that_gives_up_on_a_slow_answer_cannot_tell_what_happened(
    client: Client, sandbox: Sandbox, when: When, jobs: int
) -> None:
    sandbox.add_fault(SlowFault(when=when, seconds=0.6))
    headers = {"Authorization": f"Bearer {sandbox.tokens['acme']}"}
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.pool.request(
            "POST", f"{sandbox.url}/sandbox/jobs", json={"type": "data_sync_all"}, headers=headers, timeout=0.3
        )
    assert jobs_made(sandbox) == jobs
    deadline = time.monotonic() + 5
    while not jobs_made(sandbox) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert jobs_made(sandbox) == 1


def test_a_slow_answer_is_right_in_the_end(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(SlowFault(when="after", seconds=0.05))
    assert client.enqueue().json()["job_id"] == sandbox.ledger()["jobs"][0]["job_id"]


@pytest.mark.parametrize(
    ("answer", "name", "finch_code"),
    [
        ("401_no_authentication", "unauthorized_request_error", None),
        ("401_invalid_token", "invalid_token_error", None),
        ("401_reauthenticate_user", "authentication_error", "reauthenticate_user"),
        ("402_payment_required", "payment_required", "payment_required"),
        ("403_insufficient_permissions", "error_permissions", "insufficient_account_permissions"),
        ("403_insufficient_scope", "insufficient_scope_error", None),
        ("404_not_found", "not_found_error", "item_not_found"),
        ("408_client_closed", "client_connection_closed", None),
        ("429_application", "rate_limit_exceeded_error", "finch_application_rl"),
        ("429_ip", "rate_limit_exceeded_error", "finch_api_ip_rl"),
        ("429_upstream", "rate_limit_exceeded_error", "upstream_rate_limit_exceeded"),
        ("500_server_error", "server_error", "internal_server_error"),
        ("501_not_implemented", "not_implemented_error", None),
        ("502_bad_gateway", "bad_gateway_error", "upstream_provider_error"),
        ("503_unavailable", "server_error", "internal_server_error"),
        ("504_timeout", "timeout_error", None),
    ],
)
def test_each_error(client: Client, sandbox: Sandbox, answer: ErrorAnswer, name: str, finch_code: str | None) -> None:
    sandbox.add_fault(ErrorFault(answer=answer))
    got = client.enqueue()
    assert (got.status, got.json()["name"], got.json().get("finch_code")) == (int(answer[:3]), name, finch_code)
    assert got.json()["code"] == got.status
    assert got.headers["finch-request-id"]
    assert jobs_made(sandbox) == 0


def test_a_quota_429_can_be_forced_and_headers_added(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(
        ErrorFault(answer="429_quota", retry_after="30", headers={"x-should-retry": "false"}, retry_at_in_seconds=60)
    )
    got = client.enqueue()
    assert got.json() == {"allowed_refreshes": 2, "remaining_refreshes": 0, "retry_at": "2023-11-14T22:16:00Z"}
    assert (got.headers["retry-after"], got.headers["x-should-retry"]) == ("30", "false")


def test_an_error_after_finch_has_acted(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(ErrorFault(answer="500_server_error", when="after"))
    assert client.enqueue().status == 500
    assert jobs_made(sandbox) == 1


@pytest.mark.parametrize(
    ("fault", "content_type", "body"),
    [
        (RawFault(), "text/html", b"<html>"),
        (RawFault(status=200), "text/html", b"<html>"),
        (RawFault(status=200, content_type="application/json", body=""), "application/json", b""),
        (RawFault(status=503, content_type=None, body=""), None, b""),
    ],
)
def test_raw_answers(client: Client, sandbox: Sandbox, fault: RawFault, content_type: str | None, body: bytes) -> None:
    sandbox.add_fault(fault)
    got = client.enqueue()
    assert (got.status, got.headers.get("content-type"), got.data[:6]) == (fault.status, content_type, body)


def test_a_redirect(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(RawFault(status=307, body="", headers={"Location": "http://127.0.0.1:1/elsewhere"}))
    answer = client.enqueue()
    assert (answer.status, answer.headers["location"]) == (307, "http://127.0.0.1:1/elsewhere")


def test_rewritten_jobs(client: Client, sandbox: Sandbox) -> None:
    job_id = client.enqueue().json()["job_id"]
    sandbox.add_fault(
        RewriteFault(
            put={"status": "paused", "job_id": "another", "created_at": "yesterday", "started_at": None, "new": 1},
            drop=("completed_at", "type"),
        ),
        path="/jobs/*",
        times=2,
    )
    single = client.job(job_id).json()
    (listed,) = client.call("GET", "/jobs/automated").json()["data"]
    for job in (single, listed):
        assert (job["status"], job["job_id"], job["created_at"], job["new"]) == ("paused", "another", "yesterday", 1)
        assert not {"completed_at", "type"} & set(job)
    assert client.job(job_id).json()["status"] == "pending"


def test_a_rule_hits_only_what_it_matches(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(
        ErrorFault(answer="500_server_error"), method="GET", path="/jobs/automated/*", connection="globex", times=None
    )
    job_id = client.enqueue("globex").json()["job_id"]
    assert client.call("GET", "/jobs/automated", connection="globex").status == 200
    assert client.job(job_id, "acme").status == 404
    assert client.job(job_id, "globex").status == 500


def test_a_connection_whose_token_is_refused_is_still_recognised(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(ErrorFault(answer="403_insufficient_scope"), connection="acme")
    client.call("GET", "/introspect", connection=None)
    assert sandbox.ledger()["requests"][-1]["connection"] is None
    assert client.call("GET", "/introspect").status == 403


def hits(rule: FaultRule, requests: int) -> list[bool]:
    book = FaultBook()
    book.add(rule)
    return [book.claim("GET", "/jobs/automated", "acme") is not None for _ in range(requests)]


def test_skip_and_times_choose_requests_by_their_number() -> None:
    assert hits(FaultRule(fault=ResetFault(), skip=2, times=2), 6) == [False, False, True, True, False, False]
    assert hits(FaultRule(fault=ResetFault(), times=None), 3) == [True, True, True]
    assert hits(FaultRule(fault=ResetFault(), match=Match(method="POST")), 2) == [False, False]


@given(seed=st.integers(), probability=st.floats(0, 1))
def test_chance_is_repeatable_by_its_seed(seed: int, probability: float) -> None:
    rule = FaultRule(fault=ResetFault(), times=None, probability=probability, seed=seed)
    assert hits(rule, 20) == hits(rule, 20)


def test_chance_is_about_as_likely_as_asked_for() -> None:
    assert 200 < sum(hits(FaultRule(fault=ResetFault(), times=None, probability=0.3, seed=1), 1000)) < 400


def test_an_earlier_rule_goes_first_and_leaves_the_later_its_turn() -> None:
    book = FaultBook()
    book.add(FaultRule(fault=ResetFault()))
    book.add(FaultRule(fault=TruncatedFault()))
    claimed = [book.claim("GET", "/", None) for _ in range(3)]
    assert [rule and rule.rule.fault.kind for rule in claimed] == ["reset", "truncated", None]
