"""Answers as Finch documents them, read from the wire."""

import pytest

from finch_sandbox.control import ConnectionChange
from finch_sandbox.server import Sandbox
from tests.sandbox.conftest import Client, Clock


def test_success_is_json_with_a_request_id(client: Client) -> None:
    answer = client.enqueue()
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["finch-request-id"]
    body = answer.json()
    assert set(body) == {"job_id", "job_url", "allowed_refreshes", "remaining_refreshes"}
    assert body["job_url"] == f"{client.sandbox.url}/jobs/automated/{body['job_id']}"


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, "unauthorized_request_error"),
        ({"Authorization": "Basic YTpi"}, "unauthorized_request_error"),
        ({"Authorization": "Bearer "}, "unauthorized_request_error"),
        ({"Authorization": "Bearer nobody"}, "invalid_token_error"),
    ],
)
def test_without_a_valid_token_401(client: Client, headers: dict[str, str], name: str) -> None:
    answer = client.call("GET", "/jobs/automated", connection=None, headers=headers)
    assert answer.status == 401
    assert answer.json() | {"message": ""} == {
        "statusCode": 401,
        "status": 401,
        "code": 401,
        "name": name,
        "message": "",
    }
    assert answer.headers["finch-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/employer/company", 404, "not_found_error"),
        ("GET", "/jobs/automated/", 404, "not_found_error"),
        ("GET", "/sandbox/jobs", 405, "method_not_allowed_error"),
        ("DELETE", "/sandbox/jobs/configuration", 405, "method_not_allowed_error"),
        ("POST", "/introspect", 405, "method_not_allowed_error"),
    ],
)
def test_unknown_routes_and_methods(client: Client, method: str, path: str, status: int, name: str) -> None:
    answer = client.call(method, path)
    assert (answer.status, answer.json()["code"], answer.json()["name"]) == (status, status, name)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["finch-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/sandbox/jobs", None),
        ("POST", "/sandbox/jobs", []),
        ("POST", "/sandbox/jobs", {}),
        ("POST", "/sandbox/jobs", {"type": "data-sync-all"}),
        ("PUT", "/sandbox/jobs/configuration", {"type": "data_sync_all"}),
        ("PUT", "/sandbox/jobs/configuration", {"type": "data_sync_all", "completion_status": "success"}),
        ("PUT", "/sandbox/jobs/configuration", {"type": "data_sync_all", "completion_status": ["error"]}),
        ("GET", "/jobs/automated?limit=-1", None),
        ("GET", "/jobs/automated?offset=many", None),
    ],
)
def test_what_is_not_as_documented_is_refused(client: Client, method: str, path: str, body: object) -> None:
    answer = client.call(method, path, body)
    assert (answer.status, answer.json()["name"]) == (400, "bad_request")
    assert answer.json()["finch_code"] == "invalid_request"
    assert client.sandbox.ledger()["jobs"] == []


def test_a_body_that_is_not_json_is_refused(client: Client, sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.tokens['acme']}"}
    answer = client.pool.request("POST", sandbox.url + "/sandbox/jobs", body=b'{"type":', headers=headers)
    assert (answer.status, answer.json()["name"]) == (400, "bad_request")


def test_a_running_job_is_answered_and_spends_nothing(client: Client, clock: Clock) -> None:
    first = client.enqueue().json()
    clock.advance(5.9)
    assert client.enqueue().json() == first
    clock.advance(0.1)
    second = client.enqueue().json()
    assert second["job_id"] != first["job_id"]
    assert second["remaining_refreshes"] == 0
    assert [entry["effect"] for entry in client.sandbox.ledger()["requests"]] == [
        "job_created",
        "job_attached",
        "job_created",
    ]


def test_connections_see_nothing_of_each_other(client: Client) -> None:
    job_id = client.enqueue("acme").json()["job_id"]
    others = client.job(job_id, "globex")
    unknown = client.job("no-such-job", "globex")
    assert (others.status, unknown.status) == (404, 404)
    assert others.json()["name"] == unknown.json()["name"] == "not_found_error"
    assert client.call("GET", "/jobs/automated", connection="globex").json()["data"] == []
    assert client.enqueue("globex").json()["remaining_refreshes"] == 1


def test_an_idle_quota_window_does_not_exist_and_a_closed_one_is_replaced(client: Client, clock: Clock) -> None:
    for _ in range(2):
        assert client.enqueue().status == 200
        clock.advance(10)
    assert client.enqueue().status == 429
    clock.advance(3600 - 20)
    assert client.enqueue().json()["remaining_refreshes"] == 1


def test_a_rotated_token_replaces_the_old(client: Client, sandbox: Sandbox) -> None:
    old = sandbox.tokens["acme"]
    sandbox.change_connection(ConnectionChange(action="rotate", name="acme"))
    assert sandbox.tokens["acme"] != old
    assert client.call("GET", "/introspect").status == 200
    assert client.call("GET", "/introspect", token=old).json()["name"] == "invalid_token_error"


def test_every_request_gets_its_own_id_which_is_in_the_ledger(client: Client, sandbox: Sandbox) -> None:
    ids = [client.call("GET", path).headers["finch-request-id"] for path in ("/introspect", "/jobs/automated", "/nope")]
    assert len(set(ids)) == 3
    assert [entry["request_id"] for entry in sandbox.ledger()["requests"]] == ids


def test_the_ledger_holds_no_token(client: Client, sandbox: Sandbox) -> None:
    client.enqueue()
    assert sandbox.tokens["acme"] not in str(sandbox.ledger())
