"""Every crash point of enqueue, then every kind of redelivery: each converges to one job, on record, followed."""

from collections.abc import Callable

import pytest

from finch_sandbox.faults import ResetFault
from finch_sandbox.server import Sandbox
from finch_sync.jobs import Tracking
from finch_sync.ledger import LEASE, Request, Source
from tests.enqueue.crashing import Crash, Moments, Mortality
from tests.enqueue.test_outcomes import asked
from tests.world import Aws, World

Redelivery = Callable[[World, Request], None]


def nobody(_: World, __: Request) -> None:
    """Nobody asks again: only the sweep is left."""


def the_same_key(world: World, request: Request) -> None:
    world.another().enqueuer.enqueue(request)


def the_same_key_after_the_lease(world: World, request: Request) -> None:
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    world.another().enqueuer.enqueue(request)


def an_sdk_by_itself(world: World, request: Request) -> None:
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    world.another().enqueuer.enqueue(request.model_copy(update={"key": "call:repeated"}), repeats=True)


def two_sweeps_at_once(world: World, _: Request) -> None:
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    due = world.store.due(world.clock(), "request", 10)
    for one in (world.another(), world.another()):
        sweeper = one.sweeper(lambda: 100.0)
        for item in due:
            sweeper._bring_on(item)


REDELIVERIES = [nobody, the_same_key, the_same_key_after_the_lease, an_sdk_by_itself, two_sweeps_at_once]

PATHS: dict[str, Callable[[World], None]] = {
    "a plain answer": lambda _: None,
    "an answer lost after Finch acted": lambda world: _fault(world, ResetFault(when="after")),
    "an answer lost before Finch acted": lambda world: _fault(world, ResetFault(when="before")),
}


def _fault(world: World, fault: ResetFault) -> None:
    world.sandbox.add_fault(fault, method="POST")


@pytest.fixture(scope="module")
def mortality(emulated_aws: Aws, world_sandbox: Sandbox) -> Mortality:
    return Mortality(emulated_aws.endpoint_url, world_sandbox.url)


def moments_of(world: World, mortality: Mortality, path: str, source: Source) -> list[str]:
    """The moments of a run in which nobody dies."""
    PATHS[path](world)
    moments = Moments()
    deliver(mortality.worker(world, moments), source)
    world.sandbox.reset()
    return moments.passed


def deliver(worker: World, source: Source) -> None:
    if source is Source.HTTP:
        worker.enqueuer.enqueue(asked(worker))
    else:
        worker.scheduler(lambda: 100.0).run(source, "rule@12:00", ["acme"])


def sweep_until_quiet(world: World) -> None:
    """What a few minutes of sweeps do."""
    for _ in range(3):
        world.clock.advance(seconds=LEASE.total_seconds() + 25)
        world.another().sweeper(lambda: 100.0).run()


def check(world: World, expected_key: str) -> None:
    [job_id] = world.jobs_made()
    request = world.store.request("acme", expected_key)
    assert request is not None
    assert request.ended, request
    assert request.job_id == job_id
    job = world.store.job("acme", job_id)
    assert job is not None, "a job that Finch made and no record holds"
    assert job.tracking is Tracking.ACTIVE
    assert world.running(job.execution_name)
    state = world.aws.dynamodb.get_item(
        TableName=world.table, Key={"pk": {"S": "connection#acme"}, "sk": {"S": "state"}}
    )
    assert "unresolved" not in state.get("Item", {}), "the connection is free again"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("redelivery", REDELIVERIES)
@pytest.mark.parametrize("source", [Source.HTTP, Source.SCHEDULE])
def test_a_crash_at_any_moment_loses_and_doubles_nothing(
    world: World, mortality: Mortality, path: str, redelivery: Redelivery, source: Source
) -> None:
    for moment in range(len(moments_of(world, mortality, path, source))):
        with world.aws.table() as table:
            world.sandbox.reset()
            # Jobs that end at once: a second POST would make a second job, which no running one could hide. Only an SDK
            # that repeats without a key, after its first request has ended, relies on Finch to name the running job.
            runs = 1e6 if redelivery is an_sdk_by_itself else 0
            world.sandbox.patch(allowed_refreshes=100, pending_seconds=0, in_progress_seconds=runs)
            fresh = world.another(table)
            PATHS[path](fresh)
            moments = Moments(crash_at=moment)
            with pytest.raises(Crash):
                deliver(mortality.worker(fresh, moments), source)
            world.sandbox.clear_faults()
            request = asked(fresh) if source is Source.HTTP else asked(fresh, "rule@12:00", source)
            if source is Source.HTTP:
                redelivery(fresh, request)
            else:
                _redeliver_tick(fresh, redelivery, request)
            sweep_until_quiet(fresh)
            if fresh.store.request("acme", request.key) is None and not fresh.jobs_made():
                assert "after TransactWriteItems" not in moments.passed, "nothing was claimed, so nothing is owed"
                continue
            key = "call:repeated" if redelivery is an_sdk_by_itself and not _known(fresh, request.key) else request.key
            check(fresh, key)


def _known(world: World, key: str) -> bool:
    return world.store.request("acme", key) is not None


def _redeliver_tick(world: World, redelivery: Redelivery, request: Request) -> None:
    if redelivery in {the_same_key, the_same_key_after_the_lease}:
        if redelivery is the_same_key_after_the_lease:
            world.clock.advance(seconds=LEASE.total_seconds() + 1)
        world.another().scheduler(lambda: 100.0).run(Source.SCHEDULE, "rule@12:00", ["acme"])
    else:
        redelivery(world, request)
