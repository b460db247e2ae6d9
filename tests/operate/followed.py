"""A job that is followed, and its looks, one at a time."""

import json

from finch_sync.jobs import Job
from finch_sync.tracking import Decision, TrackingState
from tests.unit.callers import Caller
from tests.world import World


def followed_job(world: World, connection: str = "acme") -> str:
    """A job that was enqueued over HTTP."""
    job_id: str = Caller(world, connection).enqueue().body["job_id"]
    return job_id


def record_of(world: World, job_id: str, connection: str = "acme") -> Job:
    """A job's record."""
    job = world.store.job(connection, job_id)
    assert job is not None
    return job


def first_state(world: World, execution: str) -> TrackingState:
    """What an execution was started with."""
    arn = world.aws.state_machine_arn.replace(":stateMachine:", ":execution:") + f":{execution}"
    started = world.aws.stepfunctions.describe_execution(executionArn=arn)
    return TrackingState.model_validate(json.loads(started["input"]))


def look(world: World, execution: str) -> Decision:
    """The execution's next look, as if none had been before."""
    return world.another().tracker.poll(first_state(world, execution))
