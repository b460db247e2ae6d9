"""Finch's webhooks: what they hurry, and what is refused."""

import base64
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from mypy_boto3_stepfunctions import SFNClient

from finch_sync.executions import Executions
from finch_sync.jobs import Tracking
from finch_sync.webhook_inbox import PATH
from tests.operate.followed import first_state, followed_job, look, record_of
from tests.operate.senders import OTHER_SECRET, SECRET, Webhook, completion, put_secrets
from tests.unit.callers import Answered, answered, proxy_event
from tests.world import World

pytestmark = pytest.mark.xdist_group("emulator")


@pytest.fixture
def told(world: World) -> World:
    put_secrets(world, SECRET)
    return world


def untouched(world: World, job_id: str) -> bool:
    """Whether a job's first execution still follows it, and no other ever did."""
    job = record_of(world, job_id)
    return job.restarts == 0 and job.tracking is Tracking.ACTIVE and world.running(job_id)


def test_a_job_that_has_ended_is_looked_at_at_once(told: World) -> None:
    job_id = followed_job(told)

    answer = completion(told, job_id).send(told)

    assert (answer.status, answer.body) == (200, {"received": True})
    assert (told.running(job_id), told.running(f"{job_id}.1")) == (False, True)
    assert first_state(told, f"{job_id}.1").wait_seconds <= 1
    job = record_of(told, job_id)
    assert (job.restarts, job.deaths, job.tracking) == (1, 0, Tracking.ACTIVE)


def test_finch_is_asked_how_the_job_ended(told: World) -> None:
    told.sandbox.patch(completion_status="reauth_error")
    job_id = followed_job(told)
    told.clock.advance(seconds=6)
    completion(told, job_id).send(told)

    decision = look(told, f"{job_id}.1")

    assert (decision.next, decision.status) == ("done", "reauth_error")


def test_a_webhook_that_says_too_much_is_not_believed(told: World) -> None:
    job_id = followed_job(told)
    completion(told, job_id).send(told)

    assert look(told, f"{job_id}.1").next == "wait"
    assert record_of(told, job_id).tracking is Tracking.ACTIVE


def test_the_replaced_executions_end_does_not_start_another(told: World) -> None:
    job_id = followed_job(told)
    completion(told, job_id).send(told)

    told.another().tracker.execution_died("acme", job_id, job_id)

    assert record_of(told, job_id).restarts == 1
    assert not told.running(f"{job_id}.2")


def altered_body(webhook: Webhook) -> Webhook:
    return replace(webhook, body=webhook.body.replace("completed", "complete"))


def with_header(name: str, value: str) -> Callable[[Webhook], Webhook]:
    return lambda webhook: replace(webhook, headers=webhook.headers | {name: value})


def without_header(name: str) -> Callable[[Webhook], Webhook]:
    return lambda webhook: replace(webhook, headers={n: v for n, v in webhook.headers.items() if n != name})


def forged(alter: Callable[[Webhook], Webhook]) -> Callable[[World, str], Webhook]:
    return lambda world, job_id: alter(completion(world, job_id))


FORGERIES: dict[str, Callable[[World, str], Webhook]] = {
    "wrong secret": lambda world, job_id: completion(world, job_id, secret=OTHER_SECRET),
    "empty secret": lambda world, job_id: completion(world, job_id, secret=""),
    "old": lambda world, job_id: completion(world, job_id, sent_ago=301),
    "from the future": lambda world, job_id: completion(world, job_id, sent_ago=-301),
    "altered body": forged(altered_body),
    "no body": forged(lambda webhook: replace(webhook, body="")),
    "another id": forged(with_header("Finch-Event-Id", "msg_another")),
    "another timestamp": forged(with_header("Finch-Timestamp", "1795348801")),
    "timestamp that is no number": forged(with_header("Finch-Timestamp", "yesterday")),
    "timestamp that is no moment": forged(with_header("Finch-Timestamp", "999999999999")),
    "negative timestamp": forged(with_header("Finch-Timestamp", "-1")),
    "timestamp with a fraction": forged(with_header("Finch-Timestamp", "1795348800.0")),
    "empty signature": forged(with_header("Finch-Signature", "")),
    "signature without a version": forged(with_header("Finch-Signature", "AAAA")),
    "signature that is not ASCII": forged(with_header("Finch-Signature", "v1,\u00e4")),
    "very long signature": forged(with_header("Finch-Signature", "v1,AAAA " * 10_000)),
    "very long id": forged(with_header("Finch-Event-Id", "m" * 10_000)),
    "no id": forged(without_header("Finch-Event-Id")),
    "no timestamp": forged(without_header("Finch-Timestamp")),
    "no signature": forged(without_header("Finch-Signature")),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forgery_is_refused_and_changes_nothing(told: World, forgery: str) -> None:
    job_id = followed_job(told)
    refused = completion(told, job_id, secret=OTHER_SECRET).send(told)

    answer = FORGERIES[forgery](told, job_id).send(told)

    assert answer.error == (401, "unauthorized_request_error", "webhook_refused")
    assert telling(answer) == telling(refused)
    assert untouched(told, job_id)


def telling(answer: Answered) -> tuple[int, str, dict[str, str]]:
    """All of an answer that could tell one refusal from another."""
    return answer.status, answer.text, {n: v for n, v in answer.headers.items() if n != "X-Request-Id"}


def test_a_forgery_does_not_use_up_the_id_of_the_genuine_one(told: World) -> None:
    job_id = followed_job(told)
    genuine = completion(told, job_id, event_id="msg_1")
    altered_body(genuine).send(told)

    genuine.send(told)

    assert told.running(f"{job_id}.1")


def test_without_a_secret_every_webhook_is_refused(world: World) -> None:
    job_id = followed_job(world)

    assert completion(world, job_id).send(world).status == 401
    assert untouched(world, job_id)


@pytest.mark.parametrize("mistaken", ["not base64!", "abc", "A=", ""])
def test_secrets_that_are_none_shut_out_webhooks_and_nobody_else(world: World, mistaken: str) -> None:
    put_secrets(world, mistaken)
    job_id = followed_job(world)

    assert completion(world, job_id).send(world).status == 401


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
def test_while_secrets_are_rotated_both_are_good(world: World, secret: str) -> None:
    put_secrets(world, SECRET, OTHER_SECRET)
    job_id = followed_job(world)

    assert completion(world, job_id, secret=secret).send(world).status == 200
    assert world.running(f"{job_id}.1")


def test_a_replay_changes_nothing(told: World) -> None:
    job_id = followed_job(told)
    genuine = completion(told, job_id)
    genuine.send(told)

    replayed = genuine.send(told.another())

    assert replayed.status == 200
    assert record_of(told, job_id).restarts == 1
    told.clock.advance(seconds=301)
    assert genuine.send(told).status == 401


def test_many_deliveries_at_once_have_one_effect(told: World) -> None:
    job_id = followed_job(told)
    genuine = completion(told, job_id)

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda world: genuine.send(world).status, [told.another() for _ in range(8)]))

    assert statuses == [200] * 8
    assert record_of(told, job_id).restarts == 1


def test_a_delivery_that_could_not_be_acted_on_was_none(told: World) -> None:
    job_id = followed_job(told)
    genuine = completion(told, job_id)
    cut_off = told.another()
    cut_off.executions = Executions(unreachable_step_functions(), told.aws.state_machine_arn)
    with pytest.raises(EndpointConnectionError):
        genuine.send(cut_off)

    assert genuine.send(told).status == 200

    assert told.running(f"{job_id}.1")


def unreachable_step_functions() -> SFNClient:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    once = Config(retries={"total_max_attempts": 1})
    return session.client("stepfunctions", endpoint_url=f"http://127.0.0.1:{port}", config=once)


def test_a_job_that_is_followed_no_more_is_left_alone(told: World) -> None:
    job_id = followed_job(told)
    told.clock.advance(seconds=6)
    assert look(told, job_id).next == "done"
    before = record_of(told, job_id)

    assert completion(told, job_id).send(told).status == 200

    assert record_of(told, job_id) == before
    assert not told.running(f"{job_id}.1")


@pytest.mark.parametrize("job_id", ["00000000-0000-4000-8000-000000000000", "..", "a/b", "", "x" * 5000])
def test_a_job_that_nobody_knows_is_taken_note_of_and_no_more(told: World, job_id: str) -> None:
    assert completion(told, job_id).send(told).status == 200


def test_other_events_are_taken_and_change_nothing(told: World) -> None:
    job_id = followed_job(told)
    for fields in (
        {"event_type": "test", "data": {}},
        {"event_type": "account.updated", "data": {"status": "reauth", "authentication_method": "credential"}},
        {"event_type": "job.benefit_create.completed"},
    ):
        assert completion(told, job_id, **fields).send(told).status == 200
    assert untouched(told, job_id)


def test_a_body_that_the_gateway_encoded_is_read(told: World) -> None:
    job_id = followed_job(told)
    genuine = completion(told, job_id)

    answer = genuine.send(told, body=base64.b64encode(genuine.body.encode()).decode(), is_base64=True)

    assert answer.status == 200
    assert told.running(f"{job_id}.1")
    assert genuine.send(told, body="%", is_base64=True).status == 401


def test_header_names_may_be_written_in_any_case(told: World) -> None:
    job_id = followed_job(told)
    genuine = completion(told, job_id)

    shouted = replace(genuine, headers={name.upper(): value for name, value in genuine.headers.items()})

    assert shouted.send(told).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_a_post_is_a_webhook(told: World, method: str) -> None:
    answer = answered(told, proxy_event(method, PATH))

    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
