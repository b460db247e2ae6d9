"""The three ledgers, side by side: what callers were told, what Finch saw and did, what the table says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fault_campaign.callers import Told
from fault_campaign.journal import Call

FINAL_WORDS = frozenset({"complete", "error", "reauth_error", "permissions_error"})


@dataclass(frozen=True, slots=True)
class FinchJob:
    """A job by Finch's own account."""

    job_id: str
    connection: str
    status: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that must be on record: its trigger was delivered by something that retries until it is."""

    trigger: int
    connection: str
    key: str


@dataclass(frozen=True)
class Evidence:
    """All that is known at the end.

    Attributes:
        told: every answer to every caller.
        calls: the proxies' journal.
        finch_jobs: every job that Finch made.
        effects: what Finch did on a call, with the job it named: by the call's number.
        requests: the records of requests, by connection and key.
        jobs: the records of jobs, by connection and id.
        held: connections that a request still holds.
        executions: name and status of every execution.
        asked: requests that must be on record.
        dead_letters: events that Lambda gave up.
        settle_seconds: how long after a POST Finch's list tells for sure what became of it.
    """

    told: Sequence[Told] = ()
    calls: Sequence[Call] = ()
    finch_jobs: Sequence[FinchJob] = ()
    effects: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    requests: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    jobs: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)
    executions: Sequence[tuple[str, str]] = ()
    asked: Sequence[Asked] = ()
    dead_letters: int = 0
    settle_seconds: float = 0.0
