"""What is counted and measured, by what happens; read as CloudWatch reads it, from the function's output."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from dashboard_picture.embedded_metrics import values
from finch_sandbox.faults import ErrorFault, ResetFault, RewriteFault, When
from finch_sync.finch import OutcomeUnknown
from finch_sync.ledger import GIVE_UP, LEASE, SETTLE, Source
from finch_sync.metrics import NAMESPACE, Metric
from finch_sync.sweep import RESOLVED_WITHIN
from finch_sync.tracking import NOT_FOUND_TOLERATED
from tests.operate.followed import first_state, followed_job, look, record_of
from tests.unit.callers import Caller, answered, proxy_event
from tests.world import World

pytestmark = pytest.mark.xdist_group("emulator")

Point = tuple[str, dict[str, str]]
"""A metric's name and its dimensions."""

ANY = "*"


def points(printed: str) -> list[tuple[Point, float]]:
    """Every value in the output."""
    found = list(values(printed.splitlines()))
    assert {each.namespace for each in found} <= {NAMESPACE}
    return [((each.name, dict(each.dimensions)), each.value) for each in found]


def plenty() -> float:
    return 60.0


def unauthorized(world: World) -> None:
    answered(world, proxy_event("GET", "/jobs/automated", headers={"Authorization": "Bearer nobody"}))


def enqueued(world: World) -> None:
    followed_job(world)


def attached(world: World) -> None:
    followed_job(world)
    followed_job(world)


def refused(world: World) -> None:
    world.sandbox.add_fault(ErrorFault(answer="403_insufficient_scope"), method="POST")
    Caller(world).enqueue()


def scheduled(world: World) -> None:
    world.scheduler(plenty).run(Source.SCHEDULE, f"tick:{uuid4()}", ["acme"])


def ended(status: str) -> Callable[[World], None]:
    def scenario(world: World) -> None:
        world.sandbox.patch(completion_status=status)
        job_id = followed_job(world)
        world.clock.advance(seconds=6)
        look(world, job_id)

    return scenario


def ended_before_it_was_told(world: World) -> None:
    ended("complete")(world)
    job_id = world.jobs_made()[0]
    look(world, job_id)


def unknown_word(world: World) -> None:
    world.sandbox.add_fault(RewriteFault(put={"status": "paused"}), method="GET")
    look(world, followed_job(world))


def forgotten(world: World) -> None:
    world.sandbox.add_fault(ErrorFault(answer="404_not_found"), method="GET")
    job_id = followed_job(world)
    world.tracker.poll(first_state(world, job_id).model_copy(update={"not_found": NOT_FOUND_TOLERATED}))


def died_after_its_deadline(world: World) -> None:
    job_id = followed_job(world)
    world.clock.advance(seconds=601)
    world.tracker.execution_died("acme", job_id, record_of(world, job_id).execution_name)


def outcome_unknown(when: When) -> Callable[[World], None]:
    def scenario(world: World) -> None:
        world.sandbox.add_fault(ResetFault(when=when), method="POST")
        Caller(world).enqueue(idempotency_key="1")

    return scenario


def swept(world: World, after: timedelta) -> None:
    world.clock.advance(seconds=after.total_seconds() + 1)
    world.another().sweeper(plenty).run()


def no_job_found(world: World) -> None:
    outcome_unknown("before")(world)
    for _ in range(3):
        swept(world, LEASE + SETTLE)


def never_found_out(world: World) -> None:
    outcome_unknown("before")(world)
    world.sandbox.add_fault(ErrorFault(answer="500_server_error"), times=None)
    swept(world, RESOLVED_WITHIN)


def given_up(world: World) -> None:
    outcome_unknown("before")(world)
    world.sandbox.add_fault(ErrorFault(answer="500_server_error"), times=None)
    swept(world, GIVE_UP)


def address_blocked(world: World) -> None:
    world.sandbox.add_fault(ErrorFault(answer="429_ip", retry_after="3600"), method="POST")
    Caller(world).enqueue()


TOLD: dict[str, tuple[Callable[[World], None], list[tuple[str, dict[str, str], float | None]]]] = {
    "a request is refused for its token": (
        unauthorized,
        [(Metric.REQUESTS, {"Source": "http", "Result": "unauthorized"}, 1)],
    ),
    "a request is accepted": (
        enqueued,
        [
            (Metric.FINCH_LATENCY, {"Call": "POST"}, None),
            (Metric.REMAINING_REFRESHES, {}, 99),
            (Metric.REQUESTS, {"Source": "http", "Result": "accepted"}, 1),
        ],
    ),
    "a request is attached": (attached, [(Metric.REQUESTS, {"Source": "http", "Result": "attached"}, 1)]),
    "a request is rejected": (
        refused,
        [
            (Metric.FINCH_ERRORS, {"Kind": "ActionRequired"}, 1),
            (Metric.REQUESTS, {"Source": "http", "Result": "rejected"}, 1),
        ],
    ),
    "a tick enqueues": (scheduled, [(Metric.REQUESTS, {"Source": "schedule", "Result": "accepted"}, 1)]),
    "a job completes": (
        ended("complete"),
        [
            (Metric.FINCH_LATENCY, {"Call": "GET"}, None),
            (Metric.JOBS, {"Outcome": "complete"}, 1),
            (Metric.POLLS_PER_JOB, {}, 1),
            (Metric.JOB_DURATION, {}, 6),
            (Metric.DETECTION_DELAY, {}, 0),
        ],
    ),
    "a job fails": (ended("error"), [(Metric.JOBS, {"Outcome": "error"}, 1)]),
    "a job needs somebody": (
        ended("reauth_error"),
        [(Metric.JOBS, {"Outcome": "reauth_error"}, 1), (Metric.ACTION_REQUIRED, {}, 1)],
    ),
    "a job says something new": (unknown_word, [(Metric.UNKNOWN_STATUSES, {}, 1)]),
    "a job is lost": (
        forgotten,
        [(Metric.JOBS, {"Outcome": "lost"}, 1), (Metric.FINCH_ERRORS, {"Kind": "JobNotFound"}, 1)],
    ),
    "a job's execution dies after its deadline": (
        died_after_its_deadline,
        [(Metric.JOBS, {"Outcome": "timed_out"}, 1)],
    ),
    "an answer is lost": (
        outcome_unknown("before"),
        [
            (Metric.FINCH_ERRORS, {"Kind": OutcomeUnknown.__name__}, 1),
            (Metric.UNKNOWN_OUTCOMES, {}, 1),
            (Metric.REQUESTS, {"Source": "http", "Result": "not_yet"}, 1),
        ],
    ),
    "the job behind it is found": (outcome_unknown("after"), [(Metric.OUTCOMES_RESOLVED, {"How": "adopted"}, 1)]),
    "no job is behind it": (no_job_found, [(Metric.OUTCOMES_RESOLVED, {"How": "posted_again"}, 1)]),
    "nobody can tell for long": (never_found_out, [(Metric.UNRESOLVED_OUTCOMES, {}, 1)]),
    "nobody can tell for a day": (given_up, [(Metric.OUTCOMES_RESOLVED, {"How": "given_up"}, 1)]),
    "finch shuts out our address": (
        address_blocked,
        [(Metric.ADDRESS_PAUSED, {}, 1), (Metric.FINCH_ERRORS, {"Kind": "RateLimited"}, 1)],
    ),
}


@pytest.mark.parametrize("what", TOLD)
def test_what_happens_is_told(world: World, capsys: pytest.CaptureFixture[str], what: str) -> None:
    scenario, expected = TOLD[what]

    scenario(world)

    told = points(capsys.readouterr().out)
    for name, dimensions, value in expected:
        values = [each for point, each in told if point == (name, dimensions)]
        assert len(values) == 1 or value is None, (name, dimensions, told)
        assert values[0] == (values[0] if value is None else value)


def test_every_metric_is_told_by_something_above() -> None:
    assert {name for _, expected in TOLD.values() for name, _, _ in expected} == set(Metric)


def test_an_end_that_is_seen_twice_is_counted_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    ended_before_it_was_told(world)

    told = [name for (name, _), _ in points(capsys.readouterr().out)]
    assert [told.count(name) for name in (Metric.JOBS, Metric.POLLS_PER_JOB, Metric.JOB_DURATION)] == [1, 1, 1]


def test_the_delay_of_a_late_look_is_measured(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = followed_job(world)
    world.clock.advance(seconds=6 + 42)
    look(world, job_id)

    assert ((Metric.DETECTION_DELAY, {}), 42) in points(capsys.readouterr().out)


def test_no_dimension_names_a_connection_a_job_or_a_key(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    ended("reauth_error")(world)
    outcome_unknown("after")(world)

    known = {"acme", *world.jobs_made(), "1"}
    for (_, dimensions), _ in points(capsys.readouterr().out):
        assert set(dimensions) <= {"Source", "Result", "Outcome", "How", "Kind", "Call"}
        assert known.isdisjoint(dimensions.values())
