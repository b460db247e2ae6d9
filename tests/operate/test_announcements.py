"""The event of a job's end: what it says, that it is always the same, and that it comes before the record's end."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from finch_sandbox.faults import ErrorFault
from finch_sync.announcements import SOURCE, Announcement, AnnouncementFailed, Announcer, Detail
from finch_sync.jobs import MAX_RESTARTS, Tracking
from finch_sync.tracking import NOT_FOUND_TOLERATED, Decision
from local_aws.emulator import session
from tests.operate.buses import Subscription, subscribed
from tests.operate.followed import first_state, followed_job, look, record_of
from tests.world import World

pytestmark = pytest.mark.xdist_group("emulator")


def announced(decision: Decision) -> tuple[str, dict[str, Any]]:
    assert decision.announcement is not None
    return decision.announcement.detail_type, json.loads(decision.announcement.detail)


def ended(world: World, status: str = "complete") -> tuple[str, Decision]:
    world.sandbox.patch(completion_status=status)
    job_id = followed_job(world)
    world.clock.advance(seconds=6)
    return job_id, look(world, job_id)


def test_a_completed_job(world: World) -> None:
    job_id, decision = ended(world)

    assert announced(decision) == (
        "Finch Sync Completed",
        {
            "version": "1",
            "id": f"{job_id}.done",
            "connection": "acme",
            "job_id": job_id,
            "status": "complete",
            "tracking": "done",
            "reason": None,
            "action": None,
            "polls": 1,
            "accepted_at": "2026-11-22T12:00:00.000Z",
            "started_at": "2026-11-22T12:00:02.000Z",
            "completed_at": "2026-11-22T12:00:06.000Z",
        },
    )


@pytest.mark.parametrize(
    ("status", "detail_type", "action"),
    [
        ("error", "Finch Sync Failed", None),
        ("reauth_error", "Finch Sync Action Required", "reauthenticate the connection"),
        ("permissions_error", "Finch Sync Action Required", "grant the missing permissions"),
    ],
)
def test_a_job_that_ended_otherwise(world: World, status: str, detail_type: str, action: str | None) -> None:
    _, decision = ended(world, status)

    said, detail = announced(decision)
    assert (said, detail["status"], detail["action"]) == (detail_type, status, action)


def test_a_job_that_finch_no_longer_knows(world: World) -> None:
    world.sandbox.add_fault(ErrorFault(answer="404_not_found"), method="GET", times=None)
    job_id = followed_job(world)
    state = first_state(world, job_id).model_copy(update={"not_found": NOT_FOUND_TOLERATED})

    said, detail = announced(world.tracker.poll(state))

    assert (said, detail["id"], detail["status"]) == ("Finch Sync Tracking Lost", f"{job_id}.lost", "pending")
    assert "not found" in detail["reason"]


def test_a_job_whose_deadline_passed(world: World) -> None:
    world.sandbox.patch(in_progress_seconds=1e6)
    job_id = followed_job(world)
    world.clock.advance(seconds=601)

    said, detail = announced(look(world, job_id))

    assert (said, detail["id"], detail["status"]) == ("Finch Sync Tracking Lost", f"{job_id}.timed_out", "in_progress")
    assert detail["reason"] == "the deadline passed"


def test_a_job_that_goes_on_is_not_announced(world: World) -> None:
    assert look(world, followed_job(world)).announcement is None


@pytest.mark.parametrize("status", ["complete", "reauth_error"])
def test_a_look_whose_answer_was_lost_is_repeated_with_the_same_event(world: World, status: str) -> None:
    job_id, first = ended(world, status)
    world.clock.advance(seconds=90)

    assert look(world, job_id).announcement == first.announcement


@pytest.fixture
def consumer(world: World) -> Iterator[Subscription]:
    with subscribed(session(), world.aws.endpoint_url, "default", {"source": [SOURCE]}) as subscription:
        yield subscription


def dead_job(world: World) -> str:
    """One that no execution may follow any more."""
    job_id = followed_job(world)
    for _ in range(MAX_RESTARTS):
        job = record_of(world, job_id)
        assert world.store.restart(job, now=world.clock(), died=True)
    return job_id


def die(world: World, job_id: str) -> None:
    world.tracker.execution_died("acme", job_id, record_of(world, job_id).execution_name)


def test_a_job_that_has_no_execution_left_is_announced_by_the_function(world: World, consumer: Subscription) -> None:
    job_id = dead_job(world)

    die(world, job_id)

    [event] = consumer.next()
    assert (event["source"], event["detail-type"]) == (SOURCE, "Finch Sync Tracking Lost")
    assert (event["detail"]["id"], event["detail"]["reason"]) == (f"{job_id}.lost", "its executions keep dying")
    assert Detail.model_validate(event["detail"]).tracking is Tracking.LOST
    assert record_of(world, job_id).tracking is Tracking.LOST


class NoBus(Announcer):
    """A bus that cannot be reached."""

    def __init__(self) -> None:
        pass

    def send(self, announced: Announcement) -> None:
        raise AnnouncementFailed(announced.detail_type)


def test_what_could_not_be_announced_stays_open_until_it_is(world: World, consumer: Subscription) -> None:
    job_id = dead_job(world)
    cut_off = world.another()
    cut_off.announcer = NoBus()

    with pytest.raises(AnnouncementFailed):
        die(cut_off, job_id)
    assert record_of(world, job_id).tracking is Tracking.ACTIVE

    die(world.another(), job_id)
    assert [event["detail"]["id"] for event in consumer.next()] == [f"{job_id}.lost"]
    assert record_of(world, job_id).tracking is Tracking.LOST


def test_fields_of_the_first_version_stay_as_they_are() -> None:
    assert set(Detail.model_fields) >= {
        "version",
        "id",
        "connection",
        "job_id",
        "status",
        "tracking",
        "reason",
        "action",
        "polls",
        "accepted_at",
        "started_at",
        "completed_at",
    }
