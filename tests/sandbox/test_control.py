"""The control routes, over HTTP as a person or another process uses them."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from finch_sandbox.server import Sandbox
from tests.sandbox.conftest import Client


def test_settings_are_shown_and_patched(client: Client) -> None:
    change = {"pending_seconds": 0, "connections": {"acme": {"completion_status": "error"}}}
    patched = client.call("PATCH", "/_sandbox/settings", change, connection=None)
    assert patched.json() == client.call("GET", "/_sandbox/settings", connection=None).json()
    assert (patched.json()["pending_seconds"], patched.json()["connections"]) == (0, change["connections"])


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("PATCH", "/_sandbox/settings", {"nonsense": 1}, "nonsense"),
        ("PATCH", "/_sandbox/settings", [], "object"),
        ("POST", "/_sandbox/faults", {"fault": {"kind": "meteor"}}, "meteor"),
        ("POST", "/_sandbox/connections", {"kind": "assisted"}, "name"),
        ("GET", "/_sandbox/ledger?after=x", None, "'x'"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_reason(
    client: Client, method: str, path: str, body: object, reason: str
) -> None:
    answer = client.call(method, path, body, connection=None)
    assert answer.status == 400
    assert reason in answer.json()["error"]


def test_unknown_control_routes(client: Client) -> None:
    assert client.call("GET", "/_sandbox/nothing", connection=None).status == 404
    assert client.call("PUT", "/_sandbox/settings", connection=None).status == 405


def test_a_fault_rule_comes_hits_and_goes(client: Client) -> None:
    rule = {
        "match": {"method": "POST", "path": "/sandbox/*", "connection": "acme"},
        "times": None,
        "fault": {"kind": "reset", "when": "after"},
    }
    added = client.call("POST", "/_sandbox/faults", rule, connection=None)
    assert added.status == 201
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.enqueue()
    (shown,) = client.call("GET", "/_sandbox/faults", connection=None).json()
    assert (shown["rule_id"], shown["matched"], shown["hit"]) == (added.json()["rule_id"], 1, 1)
    assert client.call("DELETE", "/_sandbox/faults", connection=None).json() == []
    assert client.enqueue().status == 200


def test_the_ledger_tells_requests_and_jobs_and_can_be_read_on(client: Client) -> None:
    job_id = client.enqueue().json()["job_id"]
    client.job(job_id)
    ledger = client.call("GET", "/_sandbox/ledger", connection=None).json()
    assert [(entry["method"], entry["effect"], entry["job_id"]) for entry in ledger["requests"]] == [
        ("POST", "job_created", job_id),
        ("GET", "none", job_id),
    ]
    assert ledger["jobs"][0]["job_id"] == job_id
    after = ledger["requests"][0]["number"]
    later = client.call("GET", f"/_sandbox/ledger?after={after}", connection=None).json()["requests"]
    assert later == ledger["requests"][1:]


def test_connections_are_added_rotated_and_revoked(client: Client, sandbox: Sandbox) -> None:
    def change(**body: str) -> urllib3.BaseHTTPResponse:
        return client.call("POST", "/_sandbox/connections", body, connection=None)

    assert change(name="umbrella", kind="assisted", token="first").json() == {
        "name": "umbrella",
        "kind": "assisted",
        "token": "first",
    }
    assert client.enqueue("umbrella").json()["job_id"] is None
    assert change(action="rotate", name="umbrella").json()["token"] not in ("first", None)
    assert change(action="revoke", name="umbrella").json()["token"] is None
    assert "umbrella" not in sandbox.tokens
    shown = client.call("GET", "/_sandbox/connections", connection=None).json()
    assert shown["umbrella"] == {"token": None, "kind": "assisted"}
    assert change(action="rotate", name="nobody").status == 404


def test_the_schema_describes_settings_and_faults(client: Client) -> None:
    schema = client.call("GET", "/_sandbox/schema", connection=None).json()
    assert schema["settings"]["properties"]["window_anchor"]["description"]
    assert "ResetFault" in schema["fault_rule"]["$defs"]


def test_control_requests_are_not_finchs(client: Client, sandbox: Sandbox) -> None:
    answer = client.call("GET", "/_sandbox/settings", connection=None)
    assert "finch-request-id" not in answer.headers
    assert sandbox.ledger()["requests"] == []


def test_reset_forgets_all_but_tokens(client: Client, sandbox: Sandbox) -> None:
    tokens = sandbox.tokens
    sandbox.patch(allowed_refreshes=9)
    client.enqueue()
    assert client.call("POST", "/_sandbox/reset", connection=None).json() == {"reset": True}
    assert sandbox.ledger() == {"requests": [], "jobs": [], "webhooks": []}
    assert client.enqueue().json()["remaining_refreshes"] == 1
    assert sandbox.tokens == tokens


def test_two_hundred_requests_at_once_make_one_job_each_connection(sandbox: Sandbox) -> None:
    connections = ["acme", "globex"] * 100
    with (
        urllib3.PoolManager(retries=False, timeout=30, maxsize=200, block=True) as pool,
        ThreadPoolExecutor(200) as threads,
    ):

        def enqueue(connection: str) -> tuple[str, str, int]:
            headers = {"Authorization": f"Bearer {sandbox.tokens[connection]}"}
            body = {"type": "data_sync_all"}
            answer = pool.request("POST", f"{sandbox.url}/sandbox/jobs", json=body, headers=headers).json()
            return connection, answer["job_id"], answer["remaining_refreshes"]

        answers = set(threads.map(enqueue, connections))
    assert len(answers) == 2
    assert {remaining for _, _, remaining in answers} == {1}
    effects = Counter((entry["connection"], entry["effect"]) for entry in sandbox.ledger()["requests"])
    assert effects == {
        ("acme", "job_created"): 1,
        ("acme", "job_attached"): 99,
        ("globex", "job_created"): 1,
        ("globex", "job_attached"): 99,
    }
    assert len(sandbox.ledger()["jobs"]) == 2
