"""What becomes of a request, for everything that Finch can answer to the POST."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest

from finch_sandbox.control import ConnectionChange
from finch_sandbox.credentials import new_token
from finch_sandbox.faults import ErrorFault, Fault, RawFault, ResetFault, RewriteFault, TruncatedFault
from finch_sync.enqueue import NotYet
from finch_sync.jobs import Tracking
from finch_sync.ledger import LEASE, SETTLE, Request, Source, State, fingerprint
from tests.world import World

BODY = {"type": "data_sync_all"}


def asked(world: World, key: str = "key:1", source: Source = Source.HTTP, connection: str = "acme") -> Request:
    return Request(
        connection=connection,
        key=key,
        source=source,
        fingerprint=fingerprint(BODY),
        created_at=world.clock(),
        due_at=world.clock(),
        base_url="https://api.example/v1" if source is Source.HTTP else None,
    )


def ended(outcome: Request | NotYet) -> Request:
    assert isinstance(outcome, Request), outcome
    assert outcome.answer is not None
    return outcome


def recorded(world: World, key: str = "key:1", connection: str = "acme") -> Request | None:
    return world.store.request(connection, key)


def test_an_accepted_request_has_its_job_on_record_and_followed(world: World) -> None:
    request = ended(world.enqueuer.enqueue(asked(world)))

    [job_id] = world.jobs_made()
    assert request.state is State.ACCEPTED
    assert recorded(world) == request
    job = world.store.job("acme", job_id)
    assert job is not None
    assert (job.status, job.tracking, job.deadline) == (
        "pending",
        Tracking.ACTIVE,
        world.clock() + timedelta(seconds=600),
    )
    assert world.running(job_id)
    assert request.answer is not None
    assert json.loads(request.answer.body) == {
        "job_id": job_id,
        "job_url": f"https://api.example/v1/jobs/automated/{job_id}",
        "allowed_refreshes": 100,
        "remaining_refreshes": 99,
    }


def test_a_second_request_is_attached_to_the_job_that_runs(world: World) -> None:
    first = ended(world.enqueuer.enqueue(asked(world, "key:1")))
    second = ended(world.enqueuer.enqueue(asked(world, "key:2")))

    assert (second.state, second.job_id) == (State.ATTACHED, first.job_id)
    assert len(world.jobs_made()) == 1


def test_an_attached_job_that_was_given_up_is_followed_again(world: World) -> None:
    first = ended(world.enqueuer.enqueue(asked(world, "key:1")))
    assert first.job_id is not None
    world.store.end_tracking(
        "acme", first.job_id, tracking=Tracking.LOST, reason="test", polls=None, report=None, now=world.clock()
    )

    world.enqueuer.enqueue(asked(world, "key:2"))

    job = world.store.job("acme", first.job_id)
    assert job is not None
    assert (job.tracking, job.tracking_reason) == (Tracking.ACTIVE, None)
    assert world.running(f"{first.job_id}.1")


def test_an_assisted_connection_has_no_job_and_no_execution(world: World) -> None:
    request = ended(world.enqueuer.enqueue(asked(world, connection="initech-assisted")))

    assert (request.state, request.job_id) == (State.NO_JOB, None)
    assert request.answer is not None
    assert json.loads(request.answer.body)["job_id"] is None


def test_the_same_key_gets_the_same_bytes_and_no_second_post(world: World) -> None:
    first = ended(world.enqueuer.enqueue(asked(world)))
    world.clock.advance(seconds=3600)

    again = ended(world.another().enqueuer.enqueue(asked(world)))

    assert again == first
    assert world.posts_seen() == 1


def test_the_same_key_with_another_body_is_a_conflict(world: World) -> None:
    world.enqueuer.enqueue(asked(world))
    other = asked(world).model_copy(update={"fingerprint": fingerprint({"type": "data_sync_all", "x": 1})})

    outcome = world.enqueuer.enqueue(other)

    assert isinstance(outcome, NotYet)
    assert outcome.answer.status == 409
    assert outcome.answer.headers["x-should-retry"] == "false"
    assert world.posts_seen() == 1


REFUSALS = {
    "400_bad_request": 400,
    "401_no_authentication": 401,
    "401_invalid_token": 401,
    "401_reauthenticate_user": 401,
    "402_payment_required": 402,
    "403_insufficient_permissions": 403,
    "403_insufficient_scope": 403,
    "404_not_found": 404,
    "429_quota": 429,
    "501_not_implemented": 501,
}


@pytest.mark.parametrize(("answer", "status"), REFUSALS.items())
def test_a_refusal_ends_the_request_and_is_handed_on(world: World, answer: str, status: int) -> None:
    fault = ErrorFault.model_validate({"answer": answer})
    world.sandbox.add_fault(fault, method="POST")

    request = ended(world.enqueuer.enqueue(asked(world)))

    assert request.answer is not None
    assert (request.state, request.answer.status) == (State.REJECTED, status)
    assert request.answer.headers["x-should-retry"] == "false"
    body = json.loads(request.answer.body)
    if answer == "429_quota":
        assert body == fault.body(world.clock.timestamp())
        assert request.answer.headers["Retry-After"] == "3600"
    else:
        assert set(body) == {"code", "name", "finch_code", "message"}
        assert body["code"] == status
    again = ended(world.enqueuer.enqueue(asked(world)))
    assert again.answer == request.answer
    assert world.posts_seen() == 1
    assert ended(world.enqueuer.enqueue(asked(world, "key:2"))).state is State.ACCEPTED, "the connection is free"


@pytest.mark.parametrize("answer", ["429_application", "429_upstream"])
def test_a_rate_limit_leaves_no_trace_so_that_the_same_key_may_come_again(world: World, answer: str) -> None:
    world.sandbox.add_fault(ErrorFault.model_validate({"answer": answer}), method="POST")

    outcome = world.enqueuer.enqueue(asked(world))

    assert isinstance(outcome, NotYet)
    assert outcome.answer.status == 429
    assert outcome.answer.headers["Retry-After"] == "60"
    assert recorded(world) is None
    assert ended(world.enqueuer.enqueue(asked(world))).state is State.ACCEPTED


def test_the_address_penalty_pauses_every_environment_for_its_hour(world: World) -> None:
    world.sandbox.add_fault(ErrorFault(answer="429_ip"), method="POST")
    world.enqueuer.enqueue(asked(world))

    elsewhere = world.another()
    outcome = elsewhere.enqueuer.enqueue(asked(world, "key:2", connection="globex"))
    assert isinstance(outcome, NotYet)
    assert (outcome.answer.status, outcome.answer.headers["Retry-After"]) == (429, "3600")
    assert world.posts_seen("globex") == 0

    world.clock.advance(seconds=3601)
    assert ended(world.another().enqueuer.enqueue(asked(world, "key:3", connection="globex"))).state is State.ACCEPTED


def test_a_token_replaced_in_the_secret_is_used_after_a_401(world: World) -> None:
    assert world.connections.names() == ["acme", "globex", "initech-assisted"], "the secret is read, and kept"
    world.sandbox.change_connection(ConnectionChange(action="rotate", name="acme", token=str(uuid4())))
    world.put_secret(world.sandbox.tokens)

    assert ended(world.enqueuer.enqueue(asked(world))).state is State.ACCEPTED


def test_a_token_that_finch_refuses_and_nobody_replaced_needs_a_person(world: World) -> None:
    world.put_secret({**world.sandbox.tokens, "acme": new_token()})

    request = ended(world.enqueuer.enqueue(asked(world)))

    assert request.answer is not None
    assert (request.state, request.answer.status) == (State.REJECTED, 401)
    assert "not-a-token-of-finch" not in request.model_dump_json()


LOST_ANSWERS: dict[str, Fault] = {
    "reset": ResetFault(when="after"),
    "truncated": TruncatedFault(),
    "html": RawFault(when="after", status=200),
    "empty": RawFault(when="after", status=200, body=""),
    "408": ErrorFault(when="after", answer="408_client_closed"),
    "500": ErrorFault(when="after", answer="500_server_error"),
    "502": ErrorFault(when="after", answer="502_bad_gateway"),
    "503": ErrorFault(when="after", answer="503_unavailable"),
    "504": ErrorFault(when="after", answer="504_timeout"),
    "job id is no id": RewriteFault(put={"job_id": "../../etc/passwd"}),
    "job id left out": RewriteFault(drop=("job_id",)),
}


@pytest.mark.parametrize("kind", LOST_ANSWERS)
def test_an_answer_lost_after_finch_acted_is_found_in_the_list_at_once(world: World, kind: str) -> None:
    world.sandbox.add_fault(LOST_ANSWERS[kind], method="POST")

    request = ended(world.enqueuer.enqueue(asked(world)))

    assert (request.state, [request.job_id]) == (State.ACCEPTED, world.jobs_made())
    assert world.posts_seen() == 1


@pytest.mark.parametrize("kind", ["reset", "html", "500", "503"])
def test_an_answer_lost_before_finch_acted_is_posted_once_more_when_it_has_settled(world: World, kind: str) -> None:
    fault = LOST_ANSWERS[kind].model_copy(update={"when": "before"})
    world.sandbox.add_fault(fault, method="POST")

    outcome = world.enqueuer.enqueue(asked(world))
    assert isinstance(outcome, NotYet)
    assert (outcome.answer.status, outcome.answer.headers["Retry-After"]) == (503, "5")
    too_soon = world.another().enqueuer.enqueue(asked(world))
    assert isinstance(too_soon, NotYet)
    assert world.posts_seen() == 1

    world.clock.advance(seconds=SETTLE.total_seconds())
    request = ended(world.another().enqueuer.enqueue(asked(world)))
    assert (request.state, request.posts) == (State.ACCEPTED, 2)
    assert (world.posts_seen(), [request.job_id]) == (2, world.jobs_made())


def test_two_lost_answers_and_no_job_end_the_request(world: World) -> None:
    world.sandbox.add_fault(ResetFault(), method="POST", times=2)
    for _ in range(2):
        assert isinstance(world.enqueuer.enqueue(asked(world)), NotYet)
        world.clock.advance(seconds=SETTLE.total_seconds())

    request = ended(world.enqueuer.enqueue(asked(world)))

    assert request.answer is not None
    assert (request.state, request.answer.status, world.posts_seen()) == (State.REJECTED, 502, 2)
    assert ended(world.enqueuer.enqueue(asked(world, "key:2"))).state is State.ACCEPTED


def test_nobody_posts_for_a_connection_while_an_outcome_is_unknown(world: World) -> None:
    world.sandbox.add_fault(ResetFault(when="after"), method="POST")
    world.sandbox.add_fault(ErrorFault(answer="503_unavailable"), method="GET", times=2)
    assert isinstance(world.enqueuer.enqueue(asked(world, "key:1")), NotYet)

    blocked = world.another().enqueuer.enqueue(asked(world, "key:2"))
    assert isinstance(blocked, NotYet)
    assert (blocked.answer.status, blocked.answer.headers["x-should-retry"]) == (409, "true")
    assert world.posts_seen() == 1

    second = ended(world.another().enqueuer.enqueue(asked(world, "key:2")))
    first = recorded(world, "key:1")
    assert first is not None
    assert (first.state, second.state) == (State.ACCEPTED, State.ATTACHED)
    assert first.job_id == second.job_id


def test_an_sdk_that_repeats_by_itself_shares_the_end_of_what_it_repeats(world: World) -> None:
    world.sandbox.patch(pending_seconds=0, in_progress_seconds=0)
    world.sandbox.add_fault(ErrorFault(when="after", answer="500_server_error"), method="POST")
    world.sandbox.add_fault(ErrorFault(answer="503_unavailable"), method="GET")
    assert isinstance(world.enqueuer.enqueue(asked(world, "call:1")), NotYet)

    repeated = ended(world.enqueuer.enqueue(asked(world, "call:2"), repeats=True))

    assert (repeated.key, [repeated.job_id]) == ("call:1", world.jobs_made())
    assert world.posts_seen() == 1


def test_a_worker_that_died_after_marking_it_sent_leaves_an_unknown_outcome_not_an_absent_one(world: World) -> None:
    world.store.send(asked(world).sending(world.clock()))

    in_flight = world.enqueuer.enqueue(asked(world))
    assert isinstance(in_flight, NotYet)
    assert in_flight.answer.status == 409

    world.clock.advance(seconds=LEASE.total_seconds())
    assert ended(world.enqueuer.enqueue(asked(world))).state is State.ACCEPTED
    assert world.posts_seen() == 1


def test_nothing_reached_finch_leaves_nothing_behind(world: World) -> None:
    unreachable = world.another()
    unreachable.finch = type(world.finch)("http://127.0.0.1:9")

    outcome = unreachable.enqueuer.enqueue(asked(world))

    assert isinstance(outcome, NotYet)
    assert outcome.answer.status == 503
    assert recorded(world) is None
    assert ended(world.enqueuer.enqueue(asked(world))).state is State.ACCEPTED


def test_a_holder_deleted_by_hand_does_not_block_its_connection(world: World) -> None:
    world.store.send(asked(world).sending(world.clock()))
    world.aws.dynamodb.delete_item(
        TableName=world.table, Key={"pk": {"S": "connection#acme"}, "sk": {"S": "request#key:1"}}
    )

    assert ended(world.enqueuer.enqueue(asked(world, "key:2"))).state is State.ACCEPTED


def test_a_lock_deleted_by_hand_keeps_no_accepted_job_off_the_record(world: World) -> None:
    sent = asked(world).sending(world.clock())
    world.store.send(sent)
    world.aws.dynamodb.delete_item(TableName=world.table, Key={"pk": {"S": "connection#acme"}, "sk": {"S": "state"}})

    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    request = ended(world.enqueuer.enqueue(asked(world)))

    [job_id] = world.jobs_made()
    assert request.job_id == job_id
    assert world.store.job("acme", job_id) is not None


def test_an_ended_job_of_an_earlier_request_is_not_adopted(world: World) -> None:
    world.sandbox.patch(pending_seconds=0, in_progress_seconds=1)
    first = ended(world.enqueuer.enqueue(asked(world, "key:1")))
    world.clock.advance(seconds=2)
    world.sandbox.add_fault(ResetFault(), method="POST")

    assert isinstance(world.enqueuer.enqueue(asked(world, "key:2")), NotYet)
    world.clock.advance(seconds=SETTLE.total_seconds())
    second = ended(world.enqueuer.enqueue(asked(world, "key:2")))

    assert second.state is State.ACCEPTED
    assert second.job_id != first.job_id
