"""What a connection's jobs took is kept with their final words, each job once."""

import json
from datetime import timedelta

import pytest

from finch_sync.executions import first_input
from finch_sync.jobs import Job, Report, Tracking, accepted_job
from finch_sync.ledger import Request, Source, fingerprint
from finch_sync.polling import UNKNOWN, Durations
from tests.world import World

SECONDS = 90


def running_job(world: World, key: str) -> Job:
    now = world.clock()
    request = Request(
        connection="acme",
        key=key,
        source=Source.DIRECT,
        fingerprint=fingerprint({"type": "data_sync_all"}),
        created_at=now,
        due_at=now,
    )
    ended = world.enqueuer.enqueue(request)
    assert isinstance(ended, Request)
    assert ended.job_id is not None
    job = world.store.job("acme", ended.job_id)
    assert job is not None
    return job


def ends(world: World, job: Job, known: Durations) -> bool:
    return world.store.end_tracking(
        "acme",
        job.job_id,
        tracking=Tracking.DONE,
        reason=None,
        polls=3,
        report=Report(job_id=job.job_id, status="complete"),
        now=world.clock(),
        known=known,
    )


def tracking(world: World, job: Job) -> Tracking:
    record = world.store.job("acme", job.job_id)
    assert record is not None
    return record.tracking


def test_nothing_is_known_of_a_new_connection(world: World) -> None:
    assert world.store.durations("acme") == UNKNOWN


def test_a_final_word_leaves_what_the_job_took(world: World) -> None:
    job, known = running_job(world, "key:1"), UNKNOWN.after(SECONDS)

    assert ends(world, job, known)

    kept = world.store.durations("acme")
    assert kept.count == 1
    assert kept.mean == pytest.approx(known.mean, abs=1e-6)
    assert tracking(world, job) is Tracking.DONE


def test_a_job_counts_once(world: World) -> None:
    job = running_job(world, "key:1")
    assert ends(world, job, UNKNOWN.after(SECONDS))

    assert not ends(world, job, world.store.durations("acme").after(SECONDS))

    assert world.store.durations("acme").count == 1


def test_a_final_word_is_written_though_another_job_was_counted_meanwhile(world: World) -> None:
    first = running_job(world, "key:1")
    assert ends(world, first, UNKNOWN.after(SECONDS))
    world.clock.advance(seconds=3600)
    second = running_job(world, "key:2")
    assert second.job_id != first.job_id

    assert ends(world, second, UNKNOWN.after(7 * SECONDS))  # as if it had begun before the first one's end

    assert tracking(world, second) is Tracking.DONE
    assert world.store.durations("acme").mean == pytest.approx(UNKNOWN.after(SECONDS).mean, abs=1e-6)


def test_an_execution_starts_with_what_is_known(world: World) -> None:
    job = accepted_job("acme", "a-job", now=world.clock(), deadline=world.clock() + timedelta(hours=6))
    known = UNKNOWN.after(1800).after(2000).after(1900)

    stranger, acquaintance = first_input(job, UNKNOWN), first_input(job, known)

    assert json.loads(json.dumps(acquaintance))["known"]["count"] == 3
    assert acquaintance["wait_seconds"] > 5 * stranger["wait_seconds"]
