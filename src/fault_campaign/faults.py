"""The faults: what becomes of a request, and what becomes of whoever made it."""

import json
from dataclasses import dataclass, field, replace
from typing import Literal

from fault_campaign.steps import ENQUEUE, ENQUEUE_AGAIN, LIST, LOOK

Ending = Literal["answered", "killed", "reset", "truncated"]

_AWS_ATTEMPTS = 4
"""How often the function's AWS clients try a call: a fault that lasts so long is seen by the function."""

_HTML = "<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in place of the true one."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        name: its row in the report.
        arrives: whether the request reaches its server, and so has its effect.
        late: seconds for which it is still under way after its sender has met its end; 0 means it arrives before that.
        ending: what happens to the sender: an answer, its process killed, its connection reset or cut in the middle.
        answer: told in place of the true answer.
        silence: seconds before the sender is told anything.
        times: how many such calls in a row are hit.
    """

    name: str
    arrives: bool
    late: float = 0.0
    ending: Ending = "answered"
    answer: Answer | None = None
    silence: float = 0.0
    times: int = 1

    @property
    def kills(self) -> bool:
        """Whether it ends the function's process."""
        return self.ending == "killed"


def _json(status: int, body: object, **headers: str) -> Answer:
    return Answer(status, json.dumps(body), {"Content-Type": "application/json", **headers})


KILLS = (
    Fault("function killed before the call", arrives=False, ending="killed"),
    Fault("function killed with the call under way", arrives=True, ending="killed", late=1.0),
    Fault("function killed after the call", arrives=True, ending="killed"),
)
KILLED_BEFORE, _, KILLED_AFTER = KILLS

_THROTTLED = _json(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
_AWS_ERROR = _json(500, {"__type": "InternalServerError", "message": "Internal server error"})

_AWS_ONCE = (
    Fault("AWS throttles", arrives=False, answer=_THROTTLED),
    Fault("AWS fails before the effect", arrives=False, answer=_AWS_ERROR),
    Fault("AWS fails after the effect", arrives=True, answer=_AWS_ERROR),
    Fault("AWS resets before the effect", arrives=False, ending="reset"),
    Fault("AWS resets after the effect", arrives=True, ending="reset"),
    Fault("AWS resets, the effect comes late", arrives=True, ending="reset", late=1.0),
)
AWS_THROTTLES_FOR_LONG = replace(_AWS_ONCE[0], times=_AWS_ATTEMPTS)
_AWS_FOR_LONG = (
    *(replace(fault, times=_AWS_ATTEMPTS) for fault in _AWS_ONCE),
    Fault("AWS is silent after the effect", arrives=True, silence=6.0),
)

_SERVER_ERRORS = tuple(
    _json(status, {"code": status, "name": "server_error", "message": "fault"}) for status in (500, 502, 503, 504, 408)
)
_PAGE = Answer(502, _HTML, {"Content-Type": "text/html"})
_PAGE_200 = Answer(200, _HTML, {"Content-Type": "text/html"})
_RATE_LIMITED = _json(
    429,
    {"code": 429, "name": "rate_limit_exceeded_error", "finch_code": "finch_application_rl", "message": "fault"},
    **{"Retry-After": "2"},
)
_QUOTA_USED_UP = _json(429, {"allowed_refreshes": 2, "remaining_refreshes": 0, "retry_at": "2100-01-01T00:00:00Z"})
_NOT_FOUND = _json(404, {"code": 404, "name": "not_found_error", "finch_code": "item_not_found", "message": "fault"})

FINCH_RESETS_BEFORE = Fault("Finch resets before acting", arrives=False, ending="reset")
FINCH_RESETS_AFTER = Fault("Finch resets after acting", arrives=True, ending="reset")
FINCH_RATE_LIMITS = Fault("Finch rate-limits", arrives=False, answer=_RATE_LIMITED)
FINCH_QUOTA_USED_UP = Fault("Finch's quota is used up", arrives=False, answer=_QUOTA_USED_UP)

_FINCH_FAULTS = (
    FINCH_RESETS_BEFORE,
    FINCH_RESETS_AFTER,
    FINCH_RATE_LIMITS,
    *(Fault("Finch answers 5xx before acting", arrives=False, answer=answer) for answer in _SERVER_ERRORS),
    *(Fault("Finch answers 5xx after acting", arrives=True, answer=answer) for answer in _SERVER_ERRORS),
    Fault("Finch answers HTML before acting", arrives=False, answer=_PAGE),
    Fault("Finch answers HTML after acting", arrives=True, answer=_PAGE),
    Fault("Finch answers HTML with 200 after acting", arrives=True, answer=_PAGE_200),
    Fault("Finch answers nothing with 200 after acting", arrives=True, answer=Answer(200, "")),
    Fault("Finch's answer is cut in the middle", arrives=True, ending="truncated"),
    Fault("Finch is slow to answer", arrives=True, silence=1.5),
)
_OF_ENQUEUE = (
    FINCH_QUOTA_USED_UP,
    *(Fault("Finch resets, and acts late", arrives=True, ending="reset", late=late) for late in (1.0, 3.0, 8.0)),
)
_OF_LOOK = (Fault("Finch does not find the job yet", arrives=False, answer=_NOT_FOUND),)
_FINCH_FOR_LONG = (
    Fault("Finch is silent after acting", arrives=True, silence=13.0),
    Fault("Finch is silent, and acts late", arrives=True, ending="reset", silence=12.5, late=2.0),
)

FINCH_STEPS = frozenset({ENQUEUE, ENQUEUE_AGAIN, LIST, LOOK})


def faults_of(step: str, *, patient: bool) -> tuple[Fault, ...]:
    """Every fault but a kill that a step can meet; those that keep a worker waiting for long only if `patient`."""
    if step not in FINCH_STEPS:
        return _AWS_ONCE + (_AWS_FOR_LONG if patient else ())
    if step in {ENQUEUE, ENQUEUE_AGAIN}:
        return _FINCH_FAULTS + _OF_ENQUEUE + (_FINCH_FOR_LONG if patient else ())
    return _FINCH_FAULTS + (_OF_LOOK if step == LOOK else ())
