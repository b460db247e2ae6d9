"""A POST that its sender has given up can still arrive: until it cannot, nothing may be concluded from its silence."""

from urllib.request import Request as Call
from urllib.request import urlopen

from finch_sandbox.faults import ResetFault
from finch_sync.enqueue import NotYet
from finch_sync.ledger import SETTLE, Request, Source, State, fingerprint
from finch_sync.store import Held, Store, Taken, Won
from tests.world import World

BODY = {"type": "data_sync_all"}


def asked(world: World, key: str) -> Request:
    now = world.clock()
    return Request(
        connection="acme", key=key, source=Source.HTTP, fingerprint=fingerprint(BODY), created_at=now, due_at=now
    )


def post_arrives_late(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.sandbox.tokens['acme']}", "Content-Type": "application/json"}
    call = Call(f"{world.sandbox.url}/sandbox/jobs", b'{"type":"data_sync_all"}', headers)  # noqa: S310 - loopback
    with urlopen(call):  # noqa: S310 - loopback
        pass


def test_a_running_job_of_another_request_does_not_settle_a_post_that_may_still_arrive(world: World) -> None:
    world.sandbox.patch(pending_seconds=0, in_progress_seconds=5)
    world.enqueuer.enqueue(asked(world, "key:1"))
    world.sandbox.add_fault(ResetFault(when="before"), method="POST")

    unknown = world.enqueuer.enqueue(asked(world, "key:2"))
    world.clock.advance(seconds=6)  # the first job is over
    post_arrives_late(world)
    world.clock.advance(seconds=SETTLE.total_seconds())
    settled = world.enqueuer.enqueue(asked(world, "key:2"))

    assert isinstance(unknown, NotYet)
    assert isinstance(settled, Request)
    assert settled.state is State.ACCEPTED
    assert all(world.store.job("acme", job_id) is not None for job_id in world.jobs_made())
    assert len(world.jobs_made()) == 2


def test_a_job_that_still_runs_when_the_post_can_no_longer_arrive_is_attached(world: World) -> None:
    world.sandbox.patch(pending_seconds=0, in_progress_seconds=3600)
    world.enqueuer.enqueue(asked(world, "key:1"))
    world.sandbox.add_fault(ResetFault(when="after"), method="POST")

    unknown = world.enqueuer.enqueue(asked(world, "key:2"))
    world.clock.advance(seconds=SETTLE.total_seconds())
    settled = world.enqueuer.enqueue(asked(world, "key:2"))

    assert isinstance(unknown, NotYet)
    assert isinstance(settled, Request)
    assert settled.state is State.ATTACHED
    assert len(world.jobs_made()) == 1


def test_a_post_may_arrive_for_as_long_after_a_slow_start_as_after_a_quick_one(world: World) -> None:
    class SlowStore(Store):
        def send(self, request: Request) -> Won | Taken | Held:
            outcome = super().send(request)
            world.clock.advance(seconds=SETTLE.total_seconds() + 5)  # AWS had to be asked several times
            return outcome

    world.store = SlowStore(world.aws.dynamodb, world.table)
    world.sandbox.add_fault(ResetFault(when="before"), method="POST")

    unknown = world.enqueuer.enqueue(asked(world, "key:1"))

    assert isinstance(unknown, NotYet)
    assert world.posts_seen() == 1
