"""Each setting for what Finch does not document, seen from the client's side."""

import math
from statistics import quantiles
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finch_sandbox.control import ConnectionChange
from finch_sandbox.jobs import Job, draw_durations
from finch_sandbox.quota import Window, current_window, remaining, spend
from finch_sandbox.server import Sandbox
from finch_sandbox.settings import LogNormalDuration, Settings, SettingsBook
from tests.sandbox.conftest import START, Client, Clock

seconds = st.floats(0, 1e6)


def test_every_setting_says_what_it_is_about() -> None:
    undescribed = [name for name, field in Settings.model_fields.items() if not field.description]
    assert undescribed == []


@given(pending=seconds, in_progress=seconds, looks=st.lists(seconds, min_size=2))
def test_a_job_only_moves_forward_and_then_stays(pending: float, in_progress: float, looks: list[float]) -> None:
    job = Job("id", "acme", START, pending, in_progress, "error")
    order = ["pending", "in_progress", "error"]
    seen = [order.index(job.status(START + look)) for look in sorted(looks)]
    assert seen == sorted(seen)
    assert job.status(job.ends_at) == "error"


@pytest.mark.parametrize(
    ("change", "statuses"),
    [
        ({"pending_seconds": 0, "in_progress_seconds": 0}, ["complete", "complete"]),
        ({"pending_seconds": 1, "in_progress_seconds": 0}, ["pending", "complete"]),
        ({"pending_seconds": 0, "in_progress_seconds": 2}, ["in_progress", "in_progress"]),
        ({"pending_seconds": 1e9}, ["pending", "pending"]),
    ],
)
def test_durations(client: Client, sandbox: Sandbox, clock: Clock, change: dict[str, Any], statuses: list[str]) -> None:
    sandbox.patch(**change)
    job_id = client.enqueue().json()["job_id"]
    first = client.job(job_id).json()["status"]
    clock.advance(1)
    assert [first, client.job(job_id).json()["status"]] == statuses


def test_drawn_durations_have_the_percentiles_asked_for_and_repeat() -> None:
    settings = Settings(duration=LogNormalDuration(p5=10, p95=90), pending_seconds=1, in_progress_seconds=3)
    drawn = [draw_durations(settings, "acme", ordinal) for ordinal in range(4000)]
    cuts = quantiles([sum(each) for each in drawn], n=20)
    assert math.isclose(cuts[0], 10, rel_tol=0.1)
    assert math.isclose(cuts[-1], 90, rel_tol=0.1)
    assert all(math.isclose(pending * 3, in_progress) for pending, in_progress in drawn)
    assert drawn == [draw_durations(settings, "acme", ordinal) for ordinal in range(4000)]
    assert drawn[0] != draw_durations(settings, "globex", 0)


@pytest.mark.parametrize(
    ("setting", "status", "same_job"),
    [("same_job", 200, True), ("same_job_202", 202, True), ("new_job", 200, False)],
)
def test_duplicate_while_running(
    client: Client, sandbox: Sandbox, setting: str, status: int, *, same_job: bool
) -> None:
    sandbox.patch(duplicate_while_running=setting)
    first, second = client.enqueue(), client.enqueue()
    assert (first.status, second.status) == (200, status)
    assert (first.json()["job_id"] == second.json()["job_id"]) is same_job
    assert second.json()["remaining_refreshes"] == (1 if same_job else 0)


@given(opened=st.floats(0, 2e9), later=st.floats(0, 1e5), anchor=st.sampled_from(["first_use", "clock_hour"]))
def test_a_window_always_holds_now_and_never_outlasts_its_length(opened: float, later: float, anchor: str) -> None:
    settings = Settings.model_validate({"window_anchor": anchor})
    first = spend(current_window(None, settings, opened))
    window = current_window(first, settings, opened + later)
    assert window.opened_at <= opened + later < window.opened_at + settings.window_seconds + 1e-3
    assert (window == first) or (window.used == 0 and later > 0)


def test_remaining_refreshes_are_never_negative() -> None:
    assert remaining(Window(opened_at=0, used=5), Settings(allowed_refreshes=2)) == 0


@pytest.mark.parametrize(
    ("anchor", "retry_at"), [("first_use", "2023-11-14T23:15:00Z"), ("clock_hour", "2023-11-14T23:00:00Z")]
)
def test_window_anchor(client: Client, sandbox: Sandbox, clock: Clock, anchor: str, retry_at: str) -> None:
    sandbox.patch(window_anchor=anchor, allowed_refreshes=1, pending_seconds=0, in_progress_seconds=0)
    client.enqueue()
    clock.advance(1)
    assert client.enqueue().json()["retry_at"] == retry_at


def test_a_retry_at_the_time_that_was_told_is_not_refused(client: Client, sandbox: Sandbox, clock: Clock) -> None:
    clock.now = START + 0.7
    sandbox.patch(allowed_refreshes=1, pending_seconds=0, in_progress_seconds=0)
    client.enqueue()
    assert client.enqueue().json()["retry_at"] == "2023-11-14T23:15:01Z"
    clock.now = START + 3601
    assert client.enqueue().status == 200


def test_the_quota_may_be_counted_and_not_enforced(client: Client, sandbox: Sandbox) -> None:
    sandbox.patch(over_quota="accept", allowed_refreshes=1, pending_seconds=0, in_progress_seconds=0)
    assert [client.enqueue().json()["remaining_refreshes"] for _ in range(3)] == [0, 0, 0]


def test_retry_at_may_be_absent(client: Client, sandbox: Sandbox) -> None:
    sandbox.patch(quota_retry_at="absent", allowed_refreshes=0)
    answer = client.enqueue()
    assert (answer.status, answer.json()) == (429, {"allowed_refreshes": 0, "remaining_refreshes": 0})


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({"assisted_refreshes": "null"}, dict.fromkeys(["allowed_refreshes", "remaining_refreshes"])),
        ({"assisted_refreshes": "absent"}, {}),
        ({"assisted_spends_quota": True}, {"allowed_refreshes": 2, "remaining_refreshes": 1}),
    ],
)
def test_assisted_answers(client: Client, sandbox: Sandbox, change: dict[str, Any], body: dict[str, Any]) -> None:
    sandbox.patch(**change)
    assert client.enqueue("initech-assisted").json() == {"job_id": None, "job_url": None, **body}


def test_assisted_answers_without_job_fields_and_over_quota(client: Client, sandbox: Sandbox) -> None:
    sandbox.patch(assisted_job="absent", assisted_spends_quota=True, allowed_refreshes=1)
    assert set(client.enqueue("initech-assisted").json()) == {"allowed_refreshes", "remaining_refreshes"}
    assert client.enqueue("initech-assisted").status == 429


def configure(client: Client, status: str, connection: str = "acme") -> None:
    body = {"type": "data_sync_all", "completion_status": status}
    assert client.call("PUT", "/sandbox/jobs/configuration", body, connection=connection).json() == body


def final_status(client: Client, clock: Clock, connection: str = "acme") -> str:
    job_id = client.enqueue(connection).json()["job_id"]
    clock.advance(6)
    return str(client.job(job_id, connection).json()["status"])


@pytest.mark.parametrize(("scope", "others"), [("connection", "complete"), ("application", "error")])
def test_configuration_scope(client: Client, sandbox: Sandbox, clock: Clock, scope: str, others: str) -> None:
    sandbox.patch(configuration_scope=scope)
    configure(client, "error")
    assert [final_status(client, clock), final_status(client, clock, "globex")] == ["error", others]


@pytest.mark.parametrize(("lasts", "second"), [("persistent", "error"), ("one_shot", "complete")])
def test_configuration_lasts(client: Client, sandbox: Sandbox, clock: Clock, lasts: str, second: str) -> None:
    sandbox.patch(configuration_lasts=lasts)
    configure(client, "error")
    assert [final_status(client, clock), final_status(client, clock)] == ["error", second]


@pytest.mark.parametrize(("applies", "status"), [("at_enqueue", "complete"), ("at_completion", "permissions_error")])
def test_configuration_applies(client: Client, sandbox: Sandbox, clock: Clock, applies: str, status: str) -> None:
    sandbox.patch(configuration_applies=applies)
    job_id = client.enqueue().json()["job_id"]
    configure(client, "permissions_error")
    clock.advance(6)
    assert client.job(job_id).json()["status"] == status
    configure(client, "error")
    assert client.job(job_id).json()["status"] == status


def test_a_patched_completion_status_replaces_a_configured_one(client: Client, sandbox: Sandbox) -> None:
    configure(client, "error")
    configure(client, "error", "globex")
    sandbox.patch(connections={"acme": {"completion_status": "reauth_error"}})
    shown = [
        client.call("GET", "/sandbox/jobs/configuration", connection=connection).json()[0]["completion_status"]
        for connection in ("acme", "globex")
    ]
    assert shown == ["reauth_error", "error"]


@pytest.mark.parametrize(
    ("flips", "ended", "status"),
    [
        (False, "reauth_error", "connected"),
        (True, "reauth_error", "reauth"),
        (True, "permissions_error", "error_permissions"),
        (True, "error", "connected"),
    ],
)
def test_reauth_error_flips_introspect(
    client: Client, sandbox: Sandbox, clock: Clock, ended: str, status: str, *, flips: bool
) -> None:
    sandbox.patch(reauth_error_flips_introspect=flips, completion_status=ended)
    client.enqueue()
    assert client.call("GET", "/introspect").json()["connection_status"]["status"] == "connected"
    clock.advance(6)
    assert client.call("GET", "/introspect").json()["connection_status"]["status"] == status


def test_unknown_job_bodies(client: Client, sandbox: Sandbox) -> None:
    assert client.job("nope").json()["finch_code"] == "item_not_found"
    sandbox.patch(unknown_job_body="without_finch_code")
    assert set(client.job("nope").json()) == {"statusCode", "status", "code", "name", "message"}
    sandbox.patch(unknown_job_body="empty")
    assert (client.job("nope").status, client.job("nope").data) == (404, b"")


def test_other_connections_job(client: Client, sandbox: Sandbox) -> None:
    sandbox.patch(other_connections_job=403)
    job_id = client.enqueue("acme").json()["job_id"]
    assert (client.job(job_id, "globex").status, client.job("nope", "globex").status) == (403, 404)


@pytest.mark.parametrize(
    ("required", "sandbox_status", "jobs_status"),
    [("ignored", 200, 200), ("required_where_documented", 200, 400), ("required_everywhere", 400, 400)],
)
def test_version_header(client: Client, sandbox: Sandbox, required: str, sandbox_status: int, jobs_status: int) -> None:
    sandbox.patch(version_header=required)
    for version in (None, "latest"):
        statuses = [
            client.call("GET", path, version=version).status
            for path in ("/sandbox/jobs/configuration", "/jobs/automated", "/introspect")
        ]
        assert statuses == [sandbox_status, jobs_status, jobs_status]
    assert client.call("GET", "/sandbox/jobs/configuration").status == 200
    assert client.call("GET", "/introspect").status == 200


@pytest.mark.parametrize(
    ("variant", "status", "name"),
    [("400_invalid_request_error", 400, "invalid_request_error"), ("401_invalid_request_error", 401, None)],
)
def test_invalid_request(client: Client, sandbox: Sandbox, variant: str, status: int, name: str | None) -> None:
    sandbox.patch(invalid_request=variant)
    answer = client.call("POST", "/sandbox/jobs", {"type": "nonsense"})
    assert (answer.status, answer.json()["name"]) == (status, name or "invalid_request_error")


@pytest.mark.parametrize(
    ("variant", "name"), [("invalid_token", "invalid_token_error"), ("reauthenticate_user", "authentication_error")]
)
def test_revoked_credential(client: Client, sandbox: Sandbox, variant: str, name: str) -> None:
    sandbox.patch(revoked_credential=variant)
    added = sandbox.change_connection(ConnectionChange(name=f"leaving-{variant}"))
    token = str(added["token"])
    assert client.call("GET", "/introspect", token=token).status == 200
    sandbox.change_connection(ConnectionChange(action="revoke", name=f"leaving-{variant}"))
    answer = client.call("GET", "/introspect", token=token)
    assert (answer.status, answer.json()["name"]) == (401, name)


def test_list_limits(client: Client, sandbox: Sandbox) -> None:
    sandbox.patch(allowed_refreshes=9, pending_seconds=0, in_progress_seconds=0)
    for _ in range(4):
        client.enqueue()
    sandbox.patch(list_default_limit=2, list_max_limit=3)
    counts = [len(client.call("GET", f"/jobs/automated{query}").json()["data"]) for query in ("", "?limit=9")]
    assert counts == [2, 3]


@pytest.mark.parametrize(("setting", "key"), [("paging", "paging"), ("empty_key", "")])
def test_list_paging(client: Client, sandbox: Sandbox, setting: str, key: str) -> None:
    sandbox.patch(list_paging=setting)
    client.enqueue()
    assert client.call("GET", "/jobs/automated").json()[key] == {"count": 1, "offset": 0}


def test_the_list_may_hide_sandbox_jobs_and_quotas(client: Client, sandbox: Sandbox) -> None:
    sandbox.patch(list_shows_sandbox_jobs=False, list_quotas=False)
    client.enqueue()
    assert client.call("GET", "/jobs/automated").json() == {"data": [], "meta": {}}


def test_empty_fields_and_the_other_shapes_of_a_job(client: Client, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.patch(
        empty_fields="null",
        job_id_shape="prefixed",
        job_url_base="https://api.tryfinch.com",
        job_url_of_retrieved="job",
        timestamps="milliseconds",
        created_status=201,
    )
    clock.now = START + 0.25
    created = client.enqueue()
    job_id = created.json()["job_id"]
    assert (created.status, job_id[:4]) == (201, "job-")
    assert created.json()["job_url"] == f"https://api.tryfinch.com/jobs/automated/{job_id}"
    assert client.job(job_id).json() == {
        "job_id": job_id,
        "job_url": f"https://api.tryfinch.com/job/automated/{job_id}",
        "type": "data_sync_all",
        "status": "pending",
        "created_at": "2023-11-14T22:15:00.250Z",
        "scheduled_at": None,
        "started_at": None,
        "completed_at": None,
        "params": None,
    }


def test_started_at_may_be_the_time_of_creation(client: Client, sandbox: Sandbox) -> None:
    sandbox.patch(started_at="created")
    job = client.job(client.enqueue().json()["job_id"]).json()
    assert job["started_at"] == job["created_at"] == "2023-11-14T22:15:00Z"


def test_retention(client: Client, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.patch(retention_seconds=60)
    job_id = client.enqueue().json()["job_id"]
    clock.advance(65)
    assert client.job(job_id).status == 200
    clock.advance(1)
    assert client.job(job_id).status == 404
    assert client.call("GET", "/jobs/automated").json()["data"] == []


def test_a_connections_own_settings_leave_the_others_alone(client: Client, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.patch(connections={"acme": {"completion_status": "error"}}, in_progress_seconds=1)
    sandbox.patch(connections={"acme": {"pending_seconds": 0}})
    assert [final_status(client, clock), final_status(client, clock, "globex")] == ["error", "complete"]
    assert sandbox.control.finch.settings.of("acme").in_progress_seconds == 1


def test_a_patch_that_is_wrong_anywhere_changes_nothing() -> None:
    book = SettingsBook(Settings())
    before = book.as_json()
    wrong: list[dict[str, Any]] = [
        {"pending_seconds": 1, "nonsense": 2},
        {"pending_seconds": 1, "connections": {"acme": {"allowed_refreshes": -1}}},
        {"pending_seconds": 1, "connections": []},
        {"duration": {"p5": 2, "p95": 1}},
    ]
    for change in wrong:
        with pytest.raises(ValueError, match="validation error"):
            book.patch(change)
    assert book.as_json() == before


def test_reset_returns_to_what_the_process_started_with() -> None:
    book = SettingsBook.from_json({"allowed_refreshes": 7, "connections": {"acme": {"seed": 3}}})
    book.patch({"allowed_refreshes": 1, "connections": {"acme": {"seed": 4}, "globex": {"seed": 5}}})
    assert (book.of("acme").allowed_refreshes, book.of("acme").seed, book.of("globex").seed) == (1, 4, 5)
    book.reset()
    assert (book.of("acme").allowed_refreshes, book.of("acme").seed, book.of("globex").seed) == (7, 3, 0)
