"""Finch's webhooks on real parts: sent by the Finch sandbox over HTTP, to the deployed template's own route."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import urllib3

from finch_sandbox.webhooks import signed_headers
from finch_sync.polling import Durations
from local_aws.progress import JobProgress, jobs_of
from local_aws.stack import Stack
from tests.stack import Place

pytestmark = pytest.mark.xdist_group("told_stack")

OTHER_SECRET = "d2hhdCBzb21lYm9keSBlbHNlIGhhcy4="


@pytest.fixture(scope="module")
def new_told_place(told_stack: Stack) -> Callable[[], Place]:
    names = (name for name in told_stack.connections if name.startswith("told-"))
    return lambda: Place(told_stack, next(names))


@pytest.fixture
def told_place(new_told_place: Callable[[], Place]) -> Place:
    """A connection whose jobs took five minutes so far: its next one would not be looked at for a minute."""
    place = new_told_place()
    known = Durations()
    for _ in range(5):
        known = known.after(300)
    resource = place.stack.session.resource("dynamodb", endpoint_url=place.stack.aws_endpoint_url)
    resource.Table(place.stack.table_name).update_item(
        Key={"pk": f"connection#{place.connection}", "sk": "state"},
        UpdateExpression="SET jobs_timed = :count, duration_mean = :mean, duration_variance = :variance",
        ExpressionAttributeValues={
            ":count": known.count,
            ":mean": Decimal(str(known.mean)),
            ":variance": Decimal(str(known.variance)),
        },
    )
    return place


def enqueued(place: Place) -> str:
    answer = urllib3.request(
        "POST",
        f"{place.api_url}/sandbox/jobs",
        json={"type": "data_sync_all"},
        headers={"Authorization": f"Bearer {place.caller_token}"},
        timeout=30,
    )
    assert answer.status == 200, answer.data
    job_id: str = answer.json()["job_id"]
    return job_id


def progress(place: Place) -> JobProgress:
    [job] = jobs_of(place.stack, place.connection)
    return job


def eventually(place: Place, look: Callable[[JobProgress], bool], seconds: float = 30) -> JobProgress:
    deadline = time.monotonic() + seconds
    while not look(job := progress(place)):
        if time.monotonic() > deadline:
            pytest.fail(f"{job}; the function's log:\n" + "\n".join(place.stack.function_log()[-30:]))
        time.sleep(0.2)
    return job


def first_wait(place: Place, job_id: str) -> int:
    """The seconds that the job's first execution was to wait before it looked."""
    states = place.stack.session.client("stepfunctions", endpoint_url=place.stack.aws_endpoint_url)
    arn = place.stack.state_machine_arn.replace(":stateMachine:", ":execution:") + f":{job_id}"
    waits: int = json.loads(states.describe_execution(executionArn=arn)["input"])["wait_seconds"]
    return waits


def test_a_job_that_finch_says_has_ended_is_closed_within_two_seconds(told_place: Place) -> None:
    job_id = enqueued(told_place)

    job = eventually(told_place, lambda job: job.ended)

    assert (job.job_id, job.status, job.tracking, job.execution) == (job_id, "complete", "done", "SUCCEEDED")
    assert first_wait(told_place, job_id) >= 60
    [finchs] = [each for each in told_place.ledger()["jobs"] if each["job_id"] == job_id]
    late = datetime.fromisoformat(job.record["ended_at"]) - datetime.fromisoformat(finchs["ends_at"])
    assert 0 <= late.total_seconds() < 2
    assert [each["status"] for each in told_place.ledger()["webhooks"] if each["job_id"] == job_id] == [200]


@dataclass(frozen=True)
class Webhook:
    """One delivery, as it is on the wire."""

    headers: dict[str, str]
    body: str

    def send(self, stack: Stack) -> urllib3.BaseHTTPResponse:
        return urllib3.request("POST", f"{stack.api_url}/webhooks/finch", body=self.body, headers=self.headers)

    def without(self, header: str) -> "Webhook":
        return replace(self, headers={name: value for name, value in self.headers.items() if name != header})


def completion(stack: Stack, job_id: str, *, secret: str | None = None, sent_ago: float = 0) -> Webhook:
    event = {"event_type": "job.data_sync_all.completed", "data": {"job_id": job_id, "job_url": "https://api.example"}}
    body = json.dumps(event)
    signed = signed_headers(f"msg_{uuid4().hex}", body, time.time() - sent_ago, [secret or stack.webhook_secrets[0]])
    return Webhook(signed, body)


def test_forgeries_are_refused_alike_and_a_replay_changes_nothing(told_place: Place) -> None:
    told_place.patch(in_progress_seconds=3600, webhook_urls=[])
    job_id = enqueued(told_place)
    stack = told_place.stack
    before = progress(told_place)
    genuine = completion(stack, job_id)
    forgeries = {
        "wrong secret": completion(stack, job_id, secret=OTHER_SECRET),
        "old timestamp": completion(stack, job_id, sent_ago=400),
        "timestamp ahead": completion(stack, job_id, sent_ago=-400),
        "replay under another id": replace(genuine, headers=genuine.headers | {"Finch-Event-Id": "msg_another"}),
        "replay at another time": replace(
            genuine, headers=genuine.headers | {"Finch-Timestamp": str(int(time.time()) + 9)}
        ),
        "altered body": replace(genuine, body=genuine.body.replace(job_id, str(uuid4()))),
        "no id": genuine.without("Finch-Event-Id"),
        "no timestamp": genuine.without("Finch-Timestamp"),
        "no signature": genuine.without("Finch-Signature"),
    }

    answers = {name: forgery.send(stack) for name, forgery in forgeries.items()}

    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(forgeries, 401)
    assert len({answer.data for answer in answers.values()}) == 1
    assert progress(told_place) == before

    def restarts(job: JobProgress) -> Any:
        return job.record.get("restarts", 0)

    assert genuine.send(stack).status == 200
    assert restarts(eventually(told_place, lambda job: job.polls > 0 or restarts(job) > 0)) == 1
    assert genuine.send(stack).status == 200
    assert restarts(progress(told_place)) == 1


def test_the_dashboards_test_event_is_taken(told_place: Place) -> None:
    event_id = told_place.send_test_webhook()

    deadline = time.monotonic() + 20
    while not (sent := [each for each in told_place.ledger()["webhooks"] if each["event_id"] == event_id]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [each["status"] for each in sent] == [200]
