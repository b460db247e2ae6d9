"""Our client against everything that a Finch, or what stands before it, can do: each has its own defined error."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import urllib3

from finch_sandbox.faults import (
    ErrorAnswer,
    ErrorFault,
    Fault,
    RawFault,
    ResetFault,
    RewriteFault,
    SlowFault,
    TruncatedFault,
)
from finch_sandbox.server import Sandbox
from finch_sync import finch
from finch_sync.finch import (
    ActionRequired,
    Finch,
    FinchError,
    FinchUnavailable,
    JobNotFound,
    NotSent,
    OutcomeUnknown,
    Quota,
    QuotaExhausted,
    RateLimited,
    Refused,
)
from tests.contract.conftest import TOKEN
from tests.contract.servers import answer, certificate, over_tls, read_request, serving

JOB_ID = "453bd7d7-5355-4d6d-a38e-d9e7eb218c3f"
ENQUEUED = answer(b'{"job_id":"%s","allowed_refreshes":2,"remaining_refreshes":1}' % JOB_ID.encode())

Call = Callable[[Finch], object]


def post(client: Finch) -> object:
    return client.enqueue(TOKEN)


def look(client: Finch) -> object:
    return client.job(TOKEN, JOB_ID)


def list_(client: Finch) -> object:
    return client.jobs(TOKEN)


LOOKS = [pytest.param(look, id="GET job"), pytest.param(list_, id="GET jobs")]
CALLS = [pytest.param(post, id="POST"), *LOOKS]


def failure(call: Call, client: Finch) -> FinchError:
    """The error that a call ends with."""
    with pytest.raises(FinchError) as caught:
        call(client)
    return caught.value


REFUSALS: dict[str, type[FinchError]] = {
    "400_bad_request": Refused,
    "400_invalid_request_error": Refused,
    "401_no_authentication": ActionRequired,
    "401_invalid_token": ActionRequired,
    "401_reauthenticate_user": ActionRequired,
    "401_invalid_request_error": ActionRequired,
    "402_payment_required": ActionRequired,
    "403_insufficient_permissions": ActionRequired,
    "403_insufficient_scope": ActionRequired,
    "404_not_found": JobNotFound,
    "429_application": RateLimited,
    "429_ip": RateLimited,
    "429_upstream": RateLimited,
    "429_quota": QuotaExhausted,
    "501_not_implemented": Refused,
}
"""Answers by which Finch says that it did nothing. After all its other errors it may have acted."""


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("told", get_args(ErrorAnswer))
def test_each_error_of_finch(client: Finch, sandbox: Sandbox, call: Call, told: ErrorAnswer) -> None:
    sandbox.add_fault(ErrorFault(answer=told))
    error = failure(call, client)
    perhaps = OutcomeUnknown if call is post else FinchUnavailable
    assert type(error) is REFUSALS.get(told, perhaps)
    if isinstance(error, Refused):
        assert error.status == int(told[:3])
        assert error.request_id == sandbox.ledger()["requests"][-1]["request_id"]
    assert len(sandbox.ledger()["requests"]) == 1


@pytest.mark.parametrize(
    ("told", "sent", "seconds"),
    [
        ("429_application", None, finch.APPLICATION_LIMIT_SECONDS),
        ("429_upstream", None, finch.APPLICATION_LIMIT_SECONDS),
        ("429_ip", None, finch.IP_PENALTY_SECONDS),
        ("429_application", "7", 7.0),
        ("429_ip", "0.5", 0.5),
        ("429_application", "-1", finch.APPLICATION_LIMIT_SECONDS),
        ("429_application", "nan", finch.APPLICATION_LIMIT_SECONDS),
        ("429_application", "Fri, 31 Dec 1999 23:59:59 GMT", finch.APPLICATION_LIMIT_SECONDS),
    ],
)
@pytest.mark.parametrize("call", CALLS)
def test_a_rate_limit_says_how_long_to_wait(
    *,
    client: Finch,
    sandbox: Sandbox,
    call: Call,
    told: ErrorAnswer,
    sent: str | None,
    seconds: float,
) -> None:
    sandbox.add_fault(ErrorFault(answer=told, retry_after=sent))
    began = time.monotonic()
    error = failure(call, client)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds
    assert error.for_whole_address == (told == "429_ip")
    assert time.monotonic() - began < 0.5  # the wait is its caller's business
    assert len(sandbox.ledger()["requests"]) == 1


@pytest.mark.parametrize("call", CALLS)
def test_the_quotas_429_tells_when_its_window_ends(client: Finch, sandbox: Sandbox, call: Call) -> None:
    sandbox.add_fault(ErrorFault(answer="429_quota", retry_at_in_seconds=60))
    error = failure(call, client)
    assert isinstance(error, QuotaExhausted)
    assert error.retry_at is not None
    assert 58 < error.retry_at.timestamp() - time.time() < 61
    assert error.quota == Quota(2, 0)


@pytest.mark.parametrize(
    "quota",
    [
        '{"remaining_refreshes":0,"retry_at":"tomorrow"}',
        '{"remaining_refreshes":0,"retry_at":[1]}',
        '{"remaining_refreshes":0,"allowed_refreshes":{}}',
    ],
)
def test_a_quotas_garbled_field_is_left_out(client: Finch, sandbox: Sandbox, quota: str) -> None:
    sandbox.add_fault(RawFault(status=429, content_type="application/json", body=quota))
    error = failure(post, client)
    assert isinstance(error, QuotaExhausted)
    assert (error.retry_at, error.quota) == (None, Quota(None, 0))


UNREADABLE: list[Fault] = [
    RawFault(status=502),
    RawFault(status=503, content_type=None, body=""),
    RawFault(status=200),
    RawFault(status=200, content_type="application/json", body=""),
    RawFault(status=200, content_type="application/json", body="null"),
    RawFault(status=200, content_type="application/json", body="[" * 100_000),
    RawFault(status=200, content_type="application/json", body='{"job_id": 7, "data": 7}'),
    RawFault(status=200, content_type="application/json", body='{"job_id": "../../introspect", "data": {}}'),
    RawFault(status=204, content_type=None, body=""),
    RawFault(status=207, content_type="application/json", body="{}"),
    TruncatedFault(),
    ResetFault(when="before"),
    ResetFault(when="after"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", UNREADABLE, ids=repr)
def test_what_cannot_be_understood_settles_nothing(client: Finch, sandbox: Sandbox, call: Call, fault: Fault) -> None:
    job_id = client.enqueue(TOKEN).job_id
    assert job_id is not None
    sandbox.add_fault(fault)
    error = failure(call if call is not look else lambda client: client.job(TOKEN, job_id), client)
    assert type(error) is (OutcomeUnknown if call is post else FinchUnavailable)
    assert len(sandbox.ledger()["requests"]) == 2


def test_a_body_of_two_megabytes_is_not_read_to_its_end(client: Finch, sandbox: Sandbox) -> None:
    huge = RawFault(status=200, content_type="application/json", body='{"padding":"' + "x" * 2_000_000 + '"}')
    for call, error in ((post, OutcomeUnknown), (look, FinchUnavailable), (list_, FinchUnavailable)):
        sandbox.add_fault(huge)
        assert type(failure(call, client)) is error
    assert client.enqueue(TOKEN).job_id is not None


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(client: Finch, sandbox: Sandbox, call: Call, status: int) -> None:
    sandbox.add_fault(RawFault(status=status, body="", headers={"Location": f"{sandbox.url}/introspect"}))
    error = failure(call, client)
    assert type(error) is (Refused if call is post else FinchUnavailable)
    assert str(status) in str(error)
    assert len(sandbox.ledger()["requests"]) == 1


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_that_does_not_come_in_time(
    client: Finch, sandbox: Sandbox, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = urllib3.Timeout(connect=1, read=0.2)
    monkeypatch.setattr(finch, "ENQUEUE_TIMEOUT", soon)
    monkeypatch.setattr(finch, "LOOK_TIMEOUT", soon)
    sandbox.add_fault(SlowFault(seconds=1))
    assert type(failure(call, client)) is (OutcomeUnknown if call is post else FinchUnavailable)


@pytest.mark.parametrize("call", CALLS)
def test_nobody_listens(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert type(failure(call, Finch(f"http://127.0.0.1:{port}"))) is (NotSent if call is post else FinchUnavailable)


@pytest.mark.parametrize("call", CALLS)
def test_a_certificate_that_nobody_vouches_for(call: Call, tmp_path: Path) -> None:
    seen = []

    def listen(connection: socket.socket) -> None:
        seen.append(read_request(connection))

    with serving(over_tls(certificate(tmp_path), listen)) as port:
        error = failure(call, Finch(f"https://127.0.0.1:{port}"))
    assert type(error) is (NotSent if call is post else FinchUnavailable)
    assert seen == []


@pytest.mark.parametrize("call", CALLS)
def test_tls_that_breaks_after_the_request_settles_nothing(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of TLS too can come after Finch has read the request: it is no proof that nothing was sent."""
    pem = certificate(tmp_path)
    seen = []

    def break_off(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        with socket.socket(fileno=connection.detach()) as plain:
            plain.sendall(b"HTTP/1.1 200 OK\r\n\r\n not TLS any more")

    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with serving(over_tls(pem, break_off)) as port:
        error = failure(call, Finch(f"https://127.0.0.1:{port}"))
    assert len(seen) == 1
    assert type(error) is (OutcomeUnknown if call is post else FinchUnavailable)


def test_a_connection_dropped_between_calls_is_made_again() -> None:
    seen = []
    dropped = threading.Semaphore(0)

    def answer_once(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(ENQUEUED)
        connection.shutdown(socket.SHUT_RDWR)
        dropped.release()

    with serving(answer_once) as port:
        client = Finch(f"http://127.0.0.1:{port}")
        for _ in range(3):
            assert client.enqueue(TOKEN).job_id == JOB_ID
            assert dropped.acquire(timeout=5)
    assert len(seen) == 3


def test_a_connection_that_ends_without_a_word_is_not_proof_that_nothing_was_sent() -> None:
    """The race of keep-alive: Finch closes as the next request goes out. Trying again could make a second job."""
    seen = []

    def hang_up(connection: socket.socket) -> None:
        seen.append(read_request(connection))

    with serving(hang_up) as port:
        assert type(failure(post, Finch(f"http://127.0.0.1:{port}"))) is OutcomeUnknown
    assert len(seen) == 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "said", [b"\x00\xff" * 50, b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n"]
)
def test_what_is_not_http(call: Call, said: bytes) -> None:
    def speak(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(said)

    with serving(speak) as port:
        error = failure(call, Finch(f"http://127.0.0.1:{port}"))
    assert type(error) is (OutcomeUnknown if call is post else FinchUnavailable)


def test_what_finch_is_sent(client: Finch, sandbox: Sandbox) -> None:
    job_id = client.enqueue(TOKEN).job_id
    assert job_id is not None
    client.job(TOKEN, job_id)
    client.jobs(TOKEN)
    posted, looked, listed = sandbox.ledger()["requests"]
    assert (posted["method"], posted["path"], posted["body"]) == ("POST", "/sandbox/jobs", '{"type":"data_sync_all"}')
    assert (looked["method"], looked["path"]) == ("GET", f"/jobs/automated/{job_id}")
    assert (listed["method"], listed["path"], listed["query"]) == ("GET", "/jobs/automated", "limit=25")
    for sent in (posted, looked, listed):
        assert sent["headers"]["finch-api-version"] == "2020-09-17"
        assert sent["headers"]["content-type"] == "application/json"
        assert sent["connection"] == "acme"


def test_an_id_is_one_segment_of_the_path_whatever_is_in_it(client: Finch, sandbox: Sandbox) -> None:
    error = failure(lambda client: client.job(TOKEN, "../../introspect?a=b#c"), client)
    assert isinstance(error, JobNotFound)
    (asked,) = sandbox.ledger()["requests"]
    assert (asked["path"], asked["query"]) == ("/jobs/automated/../../introspect?a=b#c", "")


def test_an_assisted_connection_has_no_job(client: Finch, sandbox: Sandbox) -> None:
    enqueued = client.enqueue(sandbox.tokens["initech-assisted"])
    assert (enqueued.job_id, enqueued.quota) == (None, Quota(2, 2))


def test_an_assisted_answer_that_leaves_the_job_out_settles_nothing(client: Finch, sandbox: Sandbox) -> None:
    sandbox.patch(assisted_job="absent")
    error = failure(lambda client: client.enqueue(sandbox.tokens["initech-assisted"]), client)
    assert type(error) is OutcomeUnknown


@pytest.mark.parametrize("status", [200, 201])
def test_any_success_is_one(client: Finch, sandbox: Sandbox, status: int) -> None:
    sandbox.patch(created_status=status)
    assert client.enqueue(TOKEN).job_id is not None


def test_the_202_of_a_running_job_is_that_job(client: Finch, sandbox: Sandbox) -> None:
    sandbox.patch(duplicate_while_running="same_job_202")
    assert client.enqueue(TOKEN).job_id == client.enqueue(TOKEN).job_id


def test_a_report_on_another_job_is_none_on_this_one(client: Finch, sandbox: Sandbox) -> None:
    job_id = client.enqueue(TOKEN).job_id
    assert job_id is not None
    sandbox.add_fault(RewriteFault(put={"job_id": JOB_ID}))
    assert type(failure(lambda client: client.job(TOKEN, job_id), client)) is FinchUnavailable


def test_words_and_fields_that_are_not_known_yet_are_taken(client: Finch, sandbox: Sandbox) -> None:
    job_id = client.enqueue(TOKEN).job_id
    assert job_id is not None
    odd = RewriteFault(put={"status": "paused", "created_at": "yesterday", "new": {}}, drop=("scheduled_at", "type"))
    sandbox.add_fault(odd, times=2)
    assert client.job(TOKEN, job_id).status == "paused"
    (listed,) = client.jobs(TOKEN).reports
    assert (listed.status, listed.created_at) == ("paused", None)


@pytest.mark.parametrize("setting", ["list_paging", "list_quotas", "empty_fields", "job_id_shape"])
def test_a_list_in_each_of_its_shapes(client: Finch, sandbox: Sandbox, setting: str) -> None:
    other = {"list_paging": "empty_key", "list_quotas": False, "empty_fields": "null", "job_id_shape": "prefixed"}
    sandbox.patch(**{setting: other[setting]})
    job_id = client.enqueue(TOKEN).job_id
    listing = client.jobs(TOKEN)
    assert [report.job_id for report in listing.reports] == [job_id]
    assert listing.quota == (Quota(None, None) if setting == "list_quotas" else Quota(2, 1))


def test_entries_of_a_list_that_cannot_be_read_are_left_out(client: Finch, sandbox: Sandbox) -> None:
    listed = '{"data":[7,null,{"job_id":"a/b","status":"pending"},{"job_id":"good","status":"pending"}],"meta":[]}'
    sandbox.add_fault(RawFault(status=200, content_type="application/json", body=listed))
    listing = client.jobs(TOKEN)
    assert [report.job_id for report in listing.reports] == ["good"]
    assert listing.quota == Quota(None, None)
