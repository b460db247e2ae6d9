"""The events that reach the function, each parsed into a type of its own at this edge."""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from finch_sync.connections import ConnectionName
from finch_sync.models import Model
from finch_sync.tracking import TrackingState


class Trigger(Model):
    """An event, reduced to what we read of it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def _dict_or_empty(value: object) -> object:
    return {} if value is None else value


MaybeStrings = Annotated[dict[str, str], BeforeValidator(_dict_or_empty)]


class RequestContext(Trigger):
    """What API Gateway tells about a request (API Gateway guide, "Input format of a Lambda proxy integration")."""

    request_id: Annotated[str, Field(alias="requestId")]
    path: str
    stage: str
    domain_name: Annotated[str | None, Field(alias="domainName")] = None


class HttpRequest(Trigger):
    """An API Gateway REST proxy event."""

    method: Annotated[str, Field(alias="httpMethod")]
    resource: str
    path: str
    headers: MaybeStrings = Field(default_factory=dict)
    query: MaybeStrings = Field(default_factory=dict, alias="queryStringParameters")
    path_parameters: MaybeStrings = Field(default_factory=dict, alias="pathParameters")
    body: str | None = None
    is_base64: Annotated[bool, Field(alias="isBase64Encoded")] = False
    context: Annotated[RequestContext, Field(alias="requestContext")]

    def header(self, name: str) -> str | None:
        """A header's value, whatever the case of its name."""
        for key, value in self.headers.items():
            if key.lower() == name.lower():
                return value
        return None


class ScheduleTick(Trigger):
    """A scheduled event, by a rule or by EventBridge Scheduler's default input: the same shape but for the source."""

    source: Literal["aws.events", "aws.scheduler"]
    time: str
    resources: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def key(self) -> str:
        """The same for every delivery of this tick, and for no other."""
        return f"{self.resources[0]}@{self.time}"


class DirectOrder(Trigger):
    """Our own event for a direct invocation."""

    idempotency_key: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
    connections: Annotated[tuple[ConnectionName, ...], Field(min_length=1)]


class DirectInvocation(Trigger):
    """``{"enqueue": {"idempotency_key": ..., "connections": [...]}}``."""

    enqueue: DirectOrder


class PollTask(Trigger):
    """The state machine's Poll state."""

    poll: TrackingState


class SweepTick(Trigger):
    """The sweep's rule."""

    sweep: dict[str, Any]


class FollowedJob(Trigger):
    """The part of an execution's input that says what it follows."""

    connection: ConnectionName
    job_id: str


def _parsed(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


class EndedExecution(Trigger):
    """The detail of a status change (Step Functions guide, "Step Functions Execution Status Change")."""

    name: str
    status: Literal["FAILED", "TIMED_OUT", "ABORTED"]
    input: Annotated[FollowedJob, BeforeValidator(_parsed)]


class ExecutionDied(Trigger):
    """EventBridge's word that an execution was stopped, failed or timed out: no Catch sees that."""

    detail_type: Annotated[Literal["Step Functions Execution Status Change"], Field(alias="detail-type")]
    detail: EndedExecution


AnyTrigger = HttpRequest | ScheduleTick | DirectInvocation | PollTask | SweepTick | ExecutionDied

_BY_MARK: tuple[tuple[str, type[AnyTrigger]], ...] = (
    ("poll", PollTask),
    ("httpMethod", HttpRequest),
    ("sweep", SweepTick),
    ("enqueue", DirectInvocation),
)


class UnreadableEvent(Exception):
    """An event of no known kind, or of a known kind and wrong."""


def parse(event: dict[str, Any]) -> AnyTrigger:
    """Tell what an event is, and check it.

    Raises:
        UnreadableEvent: It names what is wrong, and no value.
    """
    kind = _kind(event)
    try:
        return kind.model_validate(event)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False, include_url=False)
        )
        raise UnreadableEvent(f"{kind.__name__}: {problems}") from None


def _kind(event: dict[str, Any]) -> type[AnyTrigger]:
    for mark, kind in _BY_MARK:
        if mark in event:
            return kind
    if event.get("detail-type") == "Scheduled Event":
        return ScheduleTick
    if event.get("source") == "aws.states":
        return ExecutionDied
    raise UnreadableEvent(f"an event of no known kind, with the fields {sorted(event)}")
