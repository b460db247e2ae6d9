"""What the payloads in events/ take for granted: a caller, a finished job, a running one, one whose execution died."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from finch_sandbox.jobs import Job as FinchJob
from finch_sandbox.server import Sandbox
from finch_sync.finch import Quota
from finch_sync.jobs import Job, Report, Tracking, accepted_job
from finch_sync.ledger import Request, Source, State
from finch_sync.store import Store
from finch_sync.triggers import AnyTrigger, ExecutionDied, HttpRequest, PollTask, parse
from local_aws.connections import Connection, secret_string
from local_aws.environments import PROJECT
from local_aws.stack import Stack

EVENTS = PROJECT / "events"

_CONNECTION = "acme"
_Trigger = TypeVar("_Trigger", bound=AnyTrigger)


def make_true(stack: Stack, sandbox: Sandbox) -> None:
    """Give a stack, and the sandbox that it follows, what the payloads speak of.

    The sweep's rule is off from then on, so that the payloads find what they are meant to find.
    """
    stack.session.client("events", endpoint_url=stack.aws_endpoint_url).disable_rule(Name=stack.sweep_rule_name)
    _let_in(stack)
    store, now = _store(stack), datetime.now(UTC)

    finished = _event("http_get_job", HttpRequest).path_parameters["job_id"]
    _record(store, finished, accepted_at=now - timedelta(hours=1), deadline=now + timedelta(hours=5))
    report = Report(job_id=finished, status="complete", completed_at=now)
    store.end_tracking(_CONNECTION, finished, tracking=Tracking.DONE, reason=None, polls=3, report=report, now=now)

    polled = _event("poll_task", PollTask).poll
    _record(store, polled.job_id, accepted_at=polled.accepted_at, deadline=polled.deadline)
    sandbox.control.finch.store.add_job(
        FinchJob(
            job_id=polled.job_id,
            connection=_CONNECTION,
            created_at=polled.accepted_at.timestamp(),
            pending_seconds=1,
            in_progress_seconds=1,
            completion_status="complete",
        )
    )

    died = _event("execution_timed_out", ExecutionDied).detail.input.job_id
    _record(store, died, accepted_at=now - timedelta(hours=2), deadline=now - timedelta(hours=1))


def job_of_dead_execution(stack: Stack) -> Job | None:
    """Return the record of the job whose execution died."""
    ended = _event("execution_timed_out", ExecutionDied).detail.input
    return _store(stack).job(ended.connection, ended.job_id)


def caller_token() -> str:
    """Return the caller token of the payloads."""
    return (_event("http_post", HttpRequest).header("Authorization") or "").removeprefix("Bearer ")


def _event(name: str, kind: type[_Trigger]) -> _Trigger:
    trigger = parse(json.loads(Path(EVENTS / f"{name}.json").read_text()))
    if not isinstance(trigger, kind):
        raise TypeError(f"{name}.json is no {kind.__name__}")
    return trigger


def _store(stack: Stack) -> Store:
    return Store(stack.session.client("dynamodb", endpoint_url=stack.aws_endpoint_url), stack.table_name)


def _let_in(stack: Stack) -> None:
    connections = [
        Connection(name, finch_token, caller_token()) if name == _CONNECTION else Connection(name, finch_token)
        for name, finch_token in stack.finch_tokens.items()
    ]
    stack.session.client("secretsmanager", endpoint_url=stack.aws_endpoint_url).put_secret_value(
        SecretId=stack.connections_secret_arn, SecretString=secret_string(connections)
    )


def _record(store: Store, job_id: str, *, accepted_at: datetime, deadline: datetime) -> None:
    asked = Request(
        connection=_CONNECTION,
        key=f"before:{job_id}",
        source=Source.DIRECT,
        fingerprint="",
        created_at=accepted_at,
        due_at=accepted_at,
    )
    store.claim(asked)
    store.end(
        asked,
        asked.model_copy(update={"state": State.ACCEPTED, "job_id": job_id}),
        now=accepted_at,
        quota=Quota(None, None),
        job=accepted_job(_CONNECTION, job_id, now=accepted_at, deadline=deadline),
    )
