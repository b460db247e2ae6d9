"""Faults: which requests go wrong, and how.

A fault is applied before Finch acts (nothing has happened, whatever the client is told) or after it (the job exists,
whatever the client is told). The second is the case that a client cannot tell from the first.
"""

from fnmatch import fnmatchcase
from random import Random
from threading import RLock
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from finch_sandbox import errors
from finch_sandbox.errors import FinchError
from finch_sandbox.times import rfc3339

When = Literal["before", "after"]
ErrorAnswer = Literal[
    "400_bad_request",
    "400_invalid_request_error",
    "401_no_authentication",
    "401_invalid_token",
    "401_reauthenticate_user",
    "401_invalid_request_error",
    "402_payment_required",
    "403_insufficient_permissions",
    "403_insufficient_scope",
    "404_not_found",
    "408_client_closed",
    "429_application",
    "429_ip",
    "429_upstream",
    "429_quota",
    "500_server_error",
    "501_not_implemented",
    "502_bad_gateway",
    "503_unavailable",
    "504_timeout",
]

_ERRORS: dict[ErrorAnswer, FinchError] = {
    "400_bad_request": errors.invalid_request("The request is not valid"),
    "400_invalid_request_error": errors.invalid_request("The request is not valid", "400_invalid_request_error"),
    "401_no_authentication": errors.NO_AUTHENTICATION,
    "401_invalid_token": errors.INVALID_TOKEN,
    "401_reauthenticate_user": errors.REAUTHENTICATE_USER,
    "401_invalid_request_error": errors.invalid_request("The request is not valid", "401_invalid_request_error"),
    "402_payment_required": errors.PAYMENT_REQUIRED,
    "403_insufficient_permissions": errors.INSUFFICIENT_PERMISSIONS,
    "403_insufficient_scope": errors.INSUFFICIENT_SCOPE,
    "404_not_found": errors.unknown_job("job-fb3b25dc-0000-4000-8000-000000000000"),
    "408_client_closed": errors.CLIENT_CLOSED,
    "429_application": errors.APPLICATION_RATE,
    "429_ip": errors.IP_RATE,
    "429_upstream": errors.UPSTREAM_RATE,
    "500_server_error": errors.SERVER_ERROR,
    "501_not_implemented": errors.NOT_IMPLEMENTED,
    "502_bad_gateway": errors.BAD_GATEWAY,
    "503_unavailable": errors.SERVICE_UNAVAILABLE,
    "504_timeout": errors.TIMEOUT,
}


class _Fault(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorFault(_Fault):
    """One of Finch's errors with its published body. `retry_after` and `headers` are not known to come from Finch."""

    kind: Literal["error"] = "error"
    when: When = "before"
    answer: ErrorAnswer
    retry_after: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    retry_at_in_seconds: float = Field(default=3600, description="How far ahead retry_at of 429_quota is.")

    def status(self) -> int:
        """The HTTP status."""
        return int(self.answer[:3])

    def body(self, now: float) -> dict[str, JsonValue]:
        """The JSON body."""
        if self.answer == "429_quota":
            return errors.quota_used_up(2, rfc3339(now + self.retry_at_in_seconds))
        return _ERRORS[self.answer].body()


class RawFault(_Fault):
    """Any answer: by default the HTML page of a proxy that could not reach Finch; also empty ones and redirects."""

    kind: Literal["raw"] = "raw"
    when: When = "before"
    status: Annotated[int, Field(ge=200, le=599)] = 502
    content_type: str | None = "text/html"
    body: str = "<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
    headers: dict[str, str] = Field(default_factory=dict)


class TruncatedFault(_Fault):
    """Finch acts and answers, but the connection closes in the middle of the body."""

    kind: Literal["truncated"] = "truncated"
    when: Literal["after"] = "after"


class SlowFault(_Fault):
    """Finch takes its time before it acts, or has acted and takes its time to say so; the answer is then right."""

    kind: Literal["slow"] = "slow"
    when: When = "before"
    seconds: Annotated[float, Field(ge=0, le=3600)]


class ResetFault(_Fault):
    """The connection is reset (RST) instead of an answer."""

    kind: Literal["reset"] = "reset"
    when: When = "before"


class RewriteFault(_Fault):
    """Finch acts, and its JSON answer is changed: `put` adds or replaces fields, `drop` leaves fields out.

    In a list of jobs every job is changed. So come unknown statuses, extra fields, nulls, absent fields, another
    job's id and times that are none.
    """

    kind: Literal["rewrite"] = "rewrite"
    when: Literal["after"] = "after"
    put: dict[str, JsonValue] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()

    def apply(self, body: JsonValue) -> JsonValue:
        """The changed answer."""
        if isinstance(body, list):
            return [self.apply(item) for item in body]
        if not isinstance(body, dict):
            return body
        if isinstance(body.get("data"), list):
            return {**body, "data": self.apply(body["data"])}
        return {name: value for name, value in {**body, **self.put}.items() if name not in self.drop}


Fault = Annotated[
    ErrorFault | RawFault | TruncatedFault | SlowFault | ResetFault | RewriteFault, Field(discriminator="kind")
]


class Match(_Fault):
    """Which requests a rule is for; what is left out matches everything. `path` is a glob.

    In it, * also stands for slashes.
    """

    method: str | None = None
    path: str | None = None
    connection: str | None = None

    def fits(self, method: str, path: str, connection: str | None) -> bool:
        """Whether a request is one of them."""
        return (
            self.method in (None, method)
            and (self.path is None or fnmatchcase(path, self.path))
            and self.connection in (None, connection)
        )


class FaultRule(_Fault):
    """A fault, the requests it is for, and how many of them it hits."""

    match: Match = Match()
    fault: Fault
    skip: Annotated[int, Field(ge=0)] = Field(default=0, description="Lets so many matching requests pass first.")
    times: Annotated[int, Field(ge=1)] | None = Field(default=1, description="How often it hits; null: always.")
    probability: Annotated[float, Field(ge=0, le=1)] = Field(default=1, description="Chance to hit a request.")
    seed: int = Field(default=0, description="Makes which requests are hit by chance repeatable.")


class ActiveRule(BaseModel):
    """A rule in force, with how far it has come."""

    rule_id: str = Field(default_factory=lambda: uuid4().hex[:12])
    rule: FaultRule
    matched: int = 0
    hit: int = 0

    def take(self) -> bool:
        """Counts a matching request; whether the fault hits it."""
        ordinal = self.matched
        self.matched += 1
        if ordinal < self.rule.skip or (self.rule.times is not None and self.hit >= self.rule.times):
            return False
        if Random(f"{self.rule.seed}/{ordinal}").random() >= self.rule.probability:  # noqa: S311 - not a secret
            return False
        self.hit += 1
        return True


class FaultBook:
    """The rules in force. They belong to the process: a restarted sandbox has none."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._rules: list[ActiveRule] = []

    def add(self, rule: FaultRule) -> ActiveRule:
        """Puts a rule in force, after those there are."""
        active = ActiveRule(rule=rule)
        with self._lock:
            self._rules.append(active)
        return active

    def rules(self) -> list[ActiveRule]:
        """Copies of the rules in force, also of those that have hit for the last time."""
        with self._lock:
            return [active.model_copy() for active in self._rules]

    def clear(self) -> None:
        """Takes all rules out of force."""
        with self._lock:
            self._rules.clear()

    def claim(self, method: str, path: str, connection: str | None) -> ActiveRule | None:
        """The rule that hits a request: the first that is due. A rule counts what it matches unless an earlier hits."""
        with self._lock:
            fitting = (active for active in self._rules if active.rule.match.fits(method, path, connection))
            return next((active.model_copy() for active in fitting if active.take()), None)
