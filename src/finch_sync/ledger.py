"""Requests: each trigger that asks for a job, from its claim to its end. Pure rules.

    claimed --> sent --> accepted | attached | no_job | rejected
                 |  ^
                 v  | (once)
               unknown

``claimed``: asked for, certainly not sent. ``sent``: about to be POSTed, or POSTed; only its worker knows. ``unknown``:
the POST may have reached Finch, its answer did not reach us. The four others are ends, and never change.

A worker that dies leaves ``sent`` behind. After its lease that counts as ``unknown``, never as "did not happen".
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Any

from pydantic import ConfigDict, Field

from finch_sync.clock import Moment
from finch_sync.jobs import DATA_SYNC_ALL, Report
from finch_sync.models import Model

SETTLE = timedelta(seconds=20)
"""How long a POST without an answer may still take effect: no other POST before that."""

LEASE = timedelta(seconds=60) + SETTLE
"""How long a sent request belongs to its worker.

A function may POST in the last of its 60 seconds (template.yaml, Timeout), and that POST has as long to take effect.
"""

CLOCK_SKEW = timedelta(seconds=60)
"""How far Finch's clock may lag ours."""

MAX_POSTS = 2
"""The first POST, and one more after its outcome stayed unknown."""

REPEATED_WITHIN = timedelta(seconds=30)
"""How long after a request's end its caller may still repeat it, not having got its answer.

Finch's SDKs do so within 8 s of losing an answer, and API Gateway loses those that take longer than 29 s. Not longer,
since a caller that got the answer, and whose next call went astray before it reached us, repeats that one.
"""

GIVE_UP = timedelta(hours=24)
"""How long an unknown outcome is looked into while Finch does not let us look."""


class State(StrEnum):
    """Where a request stands."""

    CLAIMED = "claimed"
    SENT = "sent"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    ATTACHED = "attached"
    NO_JOB = "no_job"
    REJECTED = "rejected"


ENDED = frozenset({State.ACCEPTED, State.ATTACHED, State.NO_JOB, State.REJECTED})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.CLAIMED: frozenset({State.SENT, State.REJECTED}),
    State.SENT: frozenset({State.CLAIMED, State.SENT, State.UNKNOWN}) | ENDED,
    State.UNKNOWN: frozenset({State.SENT}) | ENDED,
} | dict.fromkeys(ENDED, frozenset())
"""Every step a request may take. ``sent`` to ``sent`` is the second POST after a worker died with the first."""


class IllegalTransitionError(Exception):
    """A step that the ledger does not have: a mistake in this program."""


class Source(StrEnum):
    """What asked for the job."""

    HTTP = "http"
    SCHEDULE = "schedule"
    DIRECT = "direct"


class Answer(Model):
    """What a caller was told, kept so that the same question gets the same bytes."""

    model_config = ConfigDict(frozen=True)

    status: int
    body: str
    headers: dict[str, str] = Field(default_factory=dict)


class Request(Model):
    """The record of one request for a job."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    connection: str
    key: str
    source: Source
    fingerprint: str
    state: State = State.CLAIMED
    created_at: Moment
    due_at: Moment
    posts: int = 0
    first_sent_at: Moment | None = None
    sent_at: Moment | None = None
    base_url: str | None = None
    reason: str | None = None
    job_id: str | None = None
    answer: Answer | None = None

    @property
    def ended(self) -> bool:
        """Whether the outcome is known and final."""
        return self.state in ENDED

    def becoming(self, state: State, **changes: Any) -> "Request":
        """This request, one step on.

        Raises:
            IllegalTransitionError: The ledger has no such step.
        """
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"{self.state} -> {state}")
        return self.model_copy(update={"state": state, **changes})

    def sending(self, now: datetime) -> "Request":
        """This request, about to be POSTed by a worker that starts now."""
        return self.becoming(
            State.SENT,
            posts=self.posts + 1,
            first_sent_at=self.first_sent_at or now,
            sent_at=now,
            due_at=now + LEASE,
        )

    def unsent(self, due_at: datetime) -> "Request":
        """This request, after its only POST certainly did not reach Finch."""
        return self.becoming(State.CLAIMED, posts=0, first_sent_at=None, sent_at=None, due_at=due_at)

    def put_off(self, due_at: datetime) -> "Request":
        """This request as it stands, for the sweep to look at again."""
        return self.model_copy(update={"due_at": due_at})


def is_repeated(earlier: Request, request: Request) -> bool:
    """Whether a request whose caller repeats one asks for the same as an earlier one, in the same way."""
    return (
        earlier.source is request.source is Source.HTTP
        and earlier.fingerprint == request.fingerprint
        and earlier.key.partition(":")[0] == request.key.partition(":")[0]
    )


def fingerprint(body: dict[str, Any]) -> str:
    """What a request asked for, as a digest: equal for equal JSON, whatever its spelling."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Step(Enum):
    """What the next look at a request has to do."""

    NOTHING = auto()
    WAIT = auto()
    SEND = auto()
    RECONCILE = auto()


def next_step(request: Request, now: datetime) -> Step:
    """What to do about a request that somebody came across."""
    if request.ended:
        return Step.NOTHING
    if request.state is State.CLAIMED:
        return Step.SEND
    if request.state is State.SENT and request.sent_at is not None and now < request.sent_at + LEASE:
        return Step.WAIT
    return Step.RECONCILE


class Verdict(Enum):
    """What an unknown outcome comes to when Finch's list holds no job of ours."""

    LOOK_AGAIN = auto()
    POST_AGAIN = auto()
    GIVE_UP = auto()


def verdict(request: Request, now: datetime) -> Verdict:
    """What to do when Finch lists no job that the unknown POST could have made."""
    if not _settled(request, now):
        return Verdict.LOOK_AGAIN
    return Verdict.POST_AGAIN if request.posts < MAX_POSTS else Verdict.GIVE_UP


def _settled(request: Request, now: datetime) -> bool:
    """Whether a request's last POST can no longer take effect."""
    return request.sent_at is None or now >= request.sent_at + SETTLE


def made_since(reports: Iterable[Report], request: Request) -> list[Report]:
    """Those of the listed jobs that a request's POSTs can have made, by their age."""
    since = (request.first_sent_at or request.created_at) - CLOCK_SKEW
    return [report for report in reports if report.created_at is not None and report.created_at >= since]


def adoptable(reports: Iterable[Report], request: Request, recorded: set[str], now: datetime) -> Report | None:
    """The job, of those that Finch lists newest first, that an unanswered POST made or was attached to.

    One that appeared since and that no record holds is it. A running one of another origin is it too, for Finch runs
    one at a time and answers a POST with the running one (Finch API reference, "Enqueue a new automated job"): but only
    once the POST can no longer arrive, for it could arrive after that job's end and make another. A job scheduled for
    later is listed too (Finch API reference, "List automated jobs"), and is nobody's.
    """
    reports = tuple(reports)
    made = made_since(reports, request)
    settled = _settled(request, now)
    for report in reports:
        if report.type != DATA_SYNC_ALL or (report.scheduled_at is not None and report.scheduled_at > now):
            continue
        ours = report in made and report.job_id not in recorded
        if ours or (settled and not report.ended):
            return report
    return None
