"""Callers who wait for a job's end: what they ask for, what they get, and how many there may be."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from finch_sync.jobs import Job, Tracking
from finch_sync.waiting import LONGEST_WAIT, LOOK_EVERY, SEATS, WaitingRoom, preferred_wait
from tests.operate.followed import followed_job, look, record_of
from tests.unit.callers import Answered, Caller
from tests.world import World

pytestmark = pytest.mark.xdist_group("emulator")


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, None),
        ("", None),
        ("respond-async", None),
        ("return=minimal", None),
        ("wait", None),
        ("wait=", None),
        ("wait=soon", None),
        ("wait=-5", None),
        ("waiting=5", None),
        ("long-wait=5", None),
        ('note="please, wait=5"', None),
        ("wait=0", 0),
        ("wait=5", 5),
        ("wait = 5", 5),
        ("Wait=5", 5),
        ('wait="5"', 5),
        ("respond-async, wait=5", 5),
        ("wait=5, respond-async", 5),
        ("wait=5; strictly", 5),
        ("wait=5, wait=9", 5),
        (f"wait={LONGEST_WAIT + 1}", LONGEST_WAIT),
        ("wait=99999999999999999999", LONGEST_WAIT),
    ],
)
def test_what_a_caller_prefers(prefer: str | None, seconds: int | None) -> None:
    assert preferred_wait(prefer) == seconds


def waiting(world: World, job: Job, seconds: int, meanwhile: Callable[[float], object] = lambda _: None) -> Job | None:
    """Wait, while a clock goes on that stands still otherwise."""
    began = world.clock.timestamp()

    def sleep(asleep: float) -> None:
        world.clock.advance(seconds=asleep)
        meanwhile(world.clock.timestamp() - began)

    return WaitingRoom(store=world.store, now=world.clock, sleep=sleep).wait(job, seconds)


def free_seats(world: World) -> int:
    now = world.clock()
    taken = [seat for seat in range(SEATS) if world.store.take_seat(seat, now=now, until=now)]
    for seat in taken:
        world.store.leave_seat(seat)
    return len(taken)


def test_the_answer_comes_as_soon_as_the_job_has_ended(world: World) -> None:
    job_id = followed_job(world)
    began = world.clock.timestamp()

    waited = waiting(world, record_of(world, job_id), 20, lambda passed: look(world, job_id) if passed == 7 else None)

    assert waited is not None
    assert (waited.status, waited.tracking) == ("complete", Tracking.DONE)
    assert world.clock.timestamp() - began == pytest.approx(7, abs=LOOK_EVERY)


@pytest.mark.parametrize("seconds", [0, 1, 20])
def test_a_job_that_takes_longer_is_answered_as_it_stands_then(world: World, seconds: int) -> None:
    job_id = followed_job(world)
    began = world.clock.timestamp()

    waited = waiting(world, record_of(world, job_id), seconds)

    assert waited is not None
    assert waited.tracking is Tracking.ACTIVE
    assert world.clock.timestamp() - began == seconds
    assert free_seats(world) == SEATS


def test_there_are_seats_for_so_many_and_the_others_are_answered_at_once(world: World) -> None:
    job = record_of(world, followed_job(world))
    sleeping, wake = threading.Semaphore(0), threading.Event()

    def sleep(_: float) -> None:
        sleeping.release()
        wake.wait(20)

    def wait(environment: World) -> Job | None:
        return WaitingRoom(store=environment.store, now=world.clock, sleep=sleep).wait(job, 20)

    with ThreadPoolExecutor(SEATS) as threads:
        seated = [threads.submit(wait, world.another()) for _ in range(SEATS)]
        for _ in seated:
            assert sleeping.acquire(timeout=20)
        turned_away = [wait(world.another()) for _ in range(3)]
        world.clock.advance(seconds=6)
        look(world, job.job_id)
        wake.set()
        served = [each.result(timeout=20) for each in seated]

    assert turned_away == [None, None, None]
    assert [each is not None and each.tracking for each in served] == [Tracking.DONE] * SEATS
    assert free_seats(world) == SEATS


def test_a_waiter_that_fails_leaves_its_seat(world: World) -> None:
    job = record_of(world, followed_job(world))

    def fail(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        waiting(world, job, 20, fail)
    assert free_seats(world) == SEATS


def test_the_seats_of_the_dead_are_free_when_their_time_is_over(world: World) -> None:
    job = record_of(world, followed_job(world))
    seats: list[int] = []

    def note_seat(_: float) -> None:
        seats.append(free_seats(world))

    # A process that is killed runs no `finally`: what it leaves is what is there while it waits.
    store = world.another().store
    until = world.clock()
    for seat in range(SEATS):
        assert store.take_seat(seat, now=until, until=until.replace(second=40))
    assert waiting(world, job, 20) is None
    world.clock.advance(seconds=41)
    assert waiting(world, job, 1, note_seat) is not None
    assert seats[0] == SEATS - 1


@pytest.fixture
def unhurried(world: World) -> World:
    """A function whose callers wait on the clock that the tests move."""
    room = WaitingRoom(store=world.store, now=world.clock, sleep=lambda seconds: world.clock.advance(seconds=seconds))
    world.http_api = replace(world.http_api, waiting_room=room)
    return world


def asked(world: World, job_id: str, prefer: str, connection: str = "acme") -> Answered:
    return Caller(world, connection).call(
        "GET", "/jobs/automated/{job_id}", path_parameters={"job_id": job_id}, headers={"Prefer": prefer}
    )


def test_the_answer_says_how_long_was_waited_at_most(unhurried: World) -> None:
    job_id = followed_job(unhurried)
    began = unhurried.clock.timestamp()

    answer = asked(unhurried, job_id, "wait=9999")

    assert (answer.status, answer.body["status"]) == (200, "pending")
    assert answer.headers["Preference-Applied"] == f"wait={LONGEST_WAIT}"
    assert unhurried.clock.timestamp() - began == LONGEST_WAIT


def test_an_ended_job_is_answered_at_once(unhurried: World) -> None:
    job_id = followed_job(unhurried)
    unhurried.clock.advance(seconds=6)
    look(unhurried, job_id)
    now = unhurried.clock()

    answer = asked(unhurried, job_id, "wait=10")

    assert answer.body["status"] == "complete"
    assert unhurried.clock() == now


def test_without_a_seat_the_answer_is_the_same_but_for_the_wait(unhurried: World) -> None:
    job_id = followed_job(unhurried)
    now = unhurried.clock()
    for seat in range(SEATS):
        unhurried.store.take_seat(seat, now=now, until=now.replace(minute=59))

    answer = asked(unhurried, job_id, "wait=10")

    assert (answer.status, answer.body) == (200, Caller(unhurried).job(job_id).body)
    assert "Preference-Applied" not in answer.headers
    assert unhurried.clock() == now


@pytest.mark.parametrize("prefer", ["wait=soon", "respond-async"])
def test_who_does_not_ask_to_wait_does_not(unhurried: World, prefer: str) -> None:
    now = unhurried.clock()

    answer = asked(unhurried, followed_job(unhurried), prefer)

    assert "Preference-Applied" not in answer.headers
    assert unhurried.clock() == now


def test_nobody_waits_for_another_callers_job(unhurried: World) -> None:
    job_id = followed_job(unhurried)
    now = unhurried.clock()

    assert asked(unhurried, job_id, "wait=10", "globex").status == 404
    assert unhurried.clock() == now
