"""The official SDK's calls, as a user of Finch makes them."""

from datetime import UTC, datetime
from typing import get_args

import finch
import pytest
from finch import Finch

from finch_sandbox.server import Sandbox
from finch_sandbox.settings import TerminalStatus
from tests.sandbox.conftest import START, Clock


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(START + seconds, UTC)


def test_a_job_from_pending_to_complete(sdk: Finch, clock: Clock) -> None:
    created = sdk.sandbox.jobs.create(type="data_sync_all")
    assert (created.allowed_refreshes, created.remaining_refreshes) == (2, 1)

    pending = sdk.jobs.automated.retrieve(created.job_id)
    assert (pending.status, pending.created_at, pending.started_at, pending.completed_at) == (
        "pending",
        at(0),
        None,
        None,
    )
    clock.advance(2)
    in_progress = sdk.jobs.automated.retrieve(created.job_id)
    assert (in_progress.status, in_progress.started_at, in_progress.completed_at) == ("in_progress", at(2), None)
    clock.advance(4)
    complete = sdk.jobs.automated.retrieve(created.job_id)
    assert (complete.status, complete.completed_at, complete.scheduled_at) == ("complete", at(6), None)
    assert complete.type == "data_sync_all"


@pytest.mark.parametrize("status", get_args(TerminalStatus))
def test_each_configured_completion_status(sdk: Finch, clock: Clock, status: TerminalStatus) -> None:
    configured = sdk.sandbox.jobs.configuration.update(type="data_sync_all", completion_status=status)
    assert configured.completion_status == status
    assert [each.completion_status for each in sdk.sandbox.jobs.configuration.retrieve()] == [status]

    job_id = sdk.sandbox.jobs.create(type="data_sync_all").job_id
    clock.advance(6)
    assert sdk.jobs.automated.retrieve(job_id).status == status


def test_the_list_is_newest_first_and_paged(sdk: Finch, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.patch(allowed_refreshes=9)
    job_ids = []
    for _ in range(4):
        job_ids.append(sdk.sandbox.jobs.create(type="data_sync_all").job_id)
        clock.advance(10)
    newest_first = job_ids[::-1]

    everything = sdk.jobs.automated.list()
    assert [job.job_id for job in everything.data] == newest_first
    assert everything.meta.quotas is not None
    assert everything.meta.quotas.data_sync_all is not None
    assert everything.meta.quotas.data_sync_all.remaining_refreshes == 5
    assert [job.job_id for job in sdk.jobs.automated.list(limit=2, offset=1).data] == newest_first[1:3]


def test_a_used_up_quota_is_a_429_with_the_time_to_retry(sdk: Finch, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.patch(allowed_refreshes=1)
    sdk.sandbox.jobs.create(type="data_sync_all")
    clock.advance(10)
    with pytest.raises(finch.RateLimitError) as refused:
        sdk.sandbox.jobs.create(type="data_sync_all")
    assert refused.value.body == {
        "allowed_refreshes": 1,
        "remaining_refreshes": 0,
        "retry_at": "2023-11-14T23:15:00Z",
    }


def test_an_assisted_connection_gets_no_job(sandbox: Sandbox) -> None:
    with Finch(access_token=sandbox.tokens["initech-assisted"], base_url=sandbox.url) as assisted:
        answer = assisted.sandbox.jobs.create(type="data_sync_all")
        assert answer.to_dict() == {
            "job_id": None,
            "job_url": None,
            "allowed_refreshes": 2,
            "remaining_refreshes": 2,
        }
        assert assisted.jobs.automated.list().data == []
        assert assisted.account.introspect().manual is True
    assert sandbox.ledger()["jobs"] == []


def test_errors_arrive_as_the_sdk_names_them(sdk: Finch, sandbox: Sandbox) -> None:
    with pytest.raises(finch.NotFoundError):
        sdk.jobs.automated.retrieve("a/b c")
    assert sandbox.ledger()["requests"][-1]["path"] == "/jobs/automated/a/b c"
    with pytest.raises(finch.BadRequestError):
        sdk.sandbox.jobs.create(type="w4_form_employee_sync")  # type: ignore[arg-type]
    stranger = sdk.with_options(access_token="not-a-token")
    with pytest.raises(finch.AuthenticationError):
        stranger.jobs.automated.list()


def test_introspect_tells_the_connections_health(sdk: Finch, clock: Clock) -> None:
    before = sdk.account.introspect()
    assert (before.client_type, before.connection_type, before.manual) == ("sandbox", "finch", False)
    assert (before.connection_status.status, before.connection_status.last_successful_sync) == ("connected", None)
    sdk.sandbox.jobs.create(type="data_sync_all")
    clock.advance(6)
    assert sdk.account.introspect().connection_status.last_successful_sync == "2023-11-14T22:15:06Z"


def test_the_sdk_validates_every_answer_strictly(sandbox: Sandbox, clock: Clock) -> None:
    token = sandbox.tokens["acme"]
    with Finch(access_token=token, base_url=sandbox.url, _strict_response_validation=True) as strict:
        job_id = strict.sandbox.jobs.create(type="data_sync_all").job_id
        strict.jobs.automated.retrieve(job_id)
        clock.advance(6)
        strict.jobs.automated.list()
        strict.sandbox.jobs.configuration.retrieve()
        strict.account.introspect()
