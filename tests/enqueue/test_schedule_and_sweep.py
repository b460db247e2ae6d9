"""What nobody waits for: ticks of the schedule, direct invocations, and the sweep behind them."""

from datetime import timedelta

import pytest

from finch_sandbox.faults import ErrorFault, ResetFault
from finch_sync.jobs import Tracking
from finch_sync.ledger import GIVE_UP, LEASE, Source, State
from finch_sync.schedule import STARTS_PER_MINUTE
from finch_sync.store import START_GRACE
from tests.enqueue.test_outcomes import asked, ended
from tests.world import World

TICK = "arn:aws:events:us-east-1:123456789012:rule/finch-sync-schedule@2026-11-22T12:00:00Z"


def plenty() -> float:
    return 60.0


def tick(world: World, *names: str, key: str = TICK) -> dict[str, str]:
    return world.scheduler(plenty).run(Source.SCHEDULE, key, names)


def sweep(world: World) -> dict[str, int]:
    return world.another().sweeper(plenty).run()


def test_a_tick_enqueues_every_connection(world: World) -> None:
    outcomes = tick(world)

    assert outcomes == {"acme": "accepted", "globex": "accepted", "initech-assisted": "no_job"}


def test_a_tick_may_be_kept_to_some_connections(world: World) -> None:
    assert tick(world, "globex", "nobody") == {"globex": "accepted", "nobody": "unknown connection"}


def test_a_tick_delivered_twice_enqueues_nothing_twice(world: World) -> None:
    world.sandbox.patch(pending_seconds=0, in_progress_seconds=0)
    tick(world)
    tick(world.another())

    assert (world.posts_seen("acme"), world.posts_seen("globex")) == (1, 1)


def test_the_next_tick_enqueues_again(world: World) -> None:
    world.sandbox.patch(pending_seconds=0, in_progress_seconds=0)
    tick(world)
    tick(world, key=TICK.replace("12:00", "13:00"))

    assert len(world.jobs_made()) == 2


def test_one_connections_failure_does_not_touch_another(world: World) -> None:
    world.sandbox.add_fault(ErrorFault(answer="403_insufficient_scope"), method="POST", connection="acme")
    world.sandbox.add_fault(ResetFault(when="before"), method="POST", connection="globex")

    outcomes = tick(world)

    assert outcomes == {"acme": "rejected", "globex": "not yet: 503", "initech-assisted": "no_job"}


def test_a_tick_spreads_its_starts_and_the_sweep_makes_them(world: World) -> None:
    names = [f"acme-{number:03}" for number in range(2 * STARTS_PER_MINUTE + 1)]
    token = world.sandbox.tokens["acme"]
    world.put_secret_of(dict.fromkeys(names, token))

    first = tick(world)

    assert sum(outcome in {"accepted", "attached"} for outcome in first.values()) == STARTS_PER_MINUTE
    world.clock.advance(seconds=61)
    assert sweep(world)["request"] == STARTS_PER_MINUTE
    world.clock.advance(seconds=61)
    assert sweep(world)["request"] == 1
    assert all(request_state(world, name) in {State.ACCEPTED, State.ATTACHED} for name in names)


def request_state(world: World, connection: str, key: str = TICK) -> State:
    request = world.store.request(connection, key)
    assert request is not None
    return request.state


def test_an_invocation_without_time_leaves_its_requests_to_the_sweep(world: World) -> None:
    outcomes = world.scheduler(lambda: 5.0).run(Source.SCHEDULE, TICK, ["acme"])

    assert outcomes == {"acme": "left to the sweep"}
    sweep(world)
    assert request_state(world, "acme") is State.ACCEPTED


def test_what_could_not_reach_finch_is_tried_again(world: World) -> None:
    unreachable = world.another()
    unreachable.finch = type(world.finch)("http://127.0.0.1:9")
    assert tick(unreachable, "acme") == {"acme": "not yet: 503"}
    assert request_state(world, "acme") is State.CLAIMED

    world.clock.advance(seconds=61)
    sweep(world)

    assert request_state(world, "acme") is State.ACCEPTED


def test_a_pause_of_the_address_keeps_ticks_for_later(world: World) -> None:
    world.sandbox.add_fault(ErrorFault(answer="429_ip"), method="POST", connection="acme")
    assert tick(world, "acme") == {"acme": "not yet: 429"}
    assert tick(world.another(), "globex") == {"globex": "not yet: 429"}
    assert sweep(world) == {"job": 0, "request": 0}

    world.clock.advance(seconds=3700)
    sweep(world)

    assert (request_state(world, "acme"), request_state(world, "globex")) == (State.ACCEPTED, State.ACCEPTED)


def test_a_connection_that_is_held_gets_its_tick_later(world: World) -> None:
    # Jobs that end at once: the sweep serves both together, and the tick must not find the other's job running.
    world.sandbox.patch(pending_seconds=0, in_progress_seconds=0)
    world.store.send(asked(world).sending(world.clock()))
    assert tick(world, "acme") == {"acme": "not yet: 409"}

    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    sweep(world)

    assert request_state(world, "acme", "key:1") is State.ACCEPTED
    world.clock.advance(seconds=61)  # the tick may have found the connection held once more
    sweep(world)
    assert request_state(world, "acme") is State.ACCEPTED


def test_an_accepted_job_without_an_execution_gets_one(world: World) -> None:
    request = ended(world.enqueuer.enqueue(asked(world)))
    assert request.job_id is not None
    stop(world, request.job_id)
    world.clock.advance(seconds=START_GRACE.total_seconds() + 1)

    assert sweep(world)["job"] == 1

    assert world.running(f"{request.job_id}.1")
    assert sweep(world)["job"] == 0, "it is looked after again only later"


def stop(world: World, execution: str) -> None:
    arn = world.aws.state_machine_arn.replace(":stateMachine:", ":execution:") + f":{execution}"
    world.aws.stepfunctions.stop_execution(executionArn=arn)


def test_a_job_whose_executions_keep_dying_is_lost(world: World) -> None:
    request = ended(world.enqueuer.enqueue(asked(world)))
    assert request.job_id is not None
    for execution in (request.job_id, f"{request.job_id}.1", f"{request.job_id}.2", f"{request.job_id}.3"):
        stop(world, execution)
        world.tracker.execution_died("acme", request.job_id, execution)

    job = world.store.job("acme", request.job_id)
    assert job is not None
    assert (job.tracking, job.restarts) == (Tracking.LOST, 3)


def test_a_dead_execution_past_the_deadline_times_its_job_out(world: World) -> None:
    request = ended(world.enqueuer.enqueue(asked(world)))
    assert request.job_id is not None
    stop(world, request.job_id)
    world.clock.advance(seconds=601)

    sweep(world)

    job = world.store.job("acme", request.job_id)
    assert job is not None
    assert (job.tracking, job.status) == (Tracking.TIMED_OUT, "pending")


def test_the_news_of_an_older_execution_changes_nothing(world: World) -> None:
    request = ended(world.enqueuer.enqueue(asked(world)))
    assert request.job_id is not None
    world.tracker.execution_died("acme", request.job_id, f"{request.job_id}.7")

    job = world.store.job("acme", request.job_id)
    assert job is not None
    assert (job.tracking, job.restarts) == (Tracking.ACTIVE, 0)


def test_a_request_of_a_connection_that_is_gone_is_ended(world: World) -> None:
    world.store.claim(asked(world, TICK, Source.SCHEDULE))
    world.put_secret({"globex": world.sandbox.tokens["globex"]})

    sweep(world)

    assert request_state(world, "acme") is State.REJECTED


@pytest.mark.parametrize("answer", ["401_invalid_token", "403_insufficient_scope", "503_unavailable"])
def test_an_outcome_that_finch_never_lets_us_see_is_given_up_in_the_end(world: World, answer: str) -> None:
    world.sandbox.add_fault(ResetFault(when="before"), method="POST")
    world.sandbox.add_fault(ErrorFault.model_validate({"answer": answer}), method="GET", times=None)
    tick(world, "acme")
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    sweep(world)
    assert request_state(world, "acme") is State.UNKNOWN

    world.clock.advance(seconds=GIVE_UP.total_seconds())
    sweep(world)

    assert request_state(world, "acme") is State.REJECTED
    assert world.posts_seen() == 1


def test_a_direct_invocation_has_a_key_of_its_own(world: World) -> None:
    for _ in range(2):
        outcomes = world.another().scheduler(plenty).run(Source.DIRECT, "direct:deploy-42", ["acme"])
        assert outcomes == {"acme": "accepted"}
    request = world.store.request("acme", "direct:deploy-42")
    assert request is not None
    assert (request.source, world.posts_seen()) == (Source.DIRECT, 1)
    assert request.due_at <= world.clock() + timedelta(seconds=LEASE.total_seconds())
