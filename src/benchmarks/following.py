"""What a job asks of AWS, counted at the server: the function's calls, and the state transitions of its execution.

Real jobs on a local stack: the bundle as it is deployed, the shipped state machine in the emulator's interpreter, and a
proxy on each of the function's ways out that writes down what passes. The emulator's Wait states are made shorter, so
that a job is looked at many times within seconds; the function does not notice.

AWS counts a transition each time that a step is executed, retries too (Step Functions pricing, "State transitions"): so
each state that a history tells was entered is counted, and each attempt that failed.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from benchmarks.local_jobs import ask, trigger
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Row
from fault_campaign.arming import Armory
from fault_campaign.journal import Journal
from fault_campaign.proxy import FaultProxy
from fault_campaign.steps import ENQUEUE, LOOK, START, Step, aws_step, finch_step
from local_aws.finch import Finch, Sandbox, running_sandbox
from local_aws.stack import Stack, running_stack

SECONDS = {"one-look": 0.0, "few-looks": 6.0, "many-looks": 17.0}
"""Connections, and how long their jobs stay in_progress: so that they are looked at once, a few and many times."""

WAIT_SCALE = 0.1

CALLS_ON_THE_WAY_IN = 4
"""What the ledger needs before a caller is answered: "sent" on record before Finch is asked; its end and the job then;
what the connection's jobs took, which decides when the first look is; the execution that follows the job."""

CALLS_AT_THE_END = 2
"""What a job's end needs: the end, and what the connection learns of it, as one; then the record, for what is announced
is what is on record, and another worker may have ended the job before."""

_KEPT_FOR_A_MINUTE = ("GetSecretValue", "GetItem: pause")
_FAILED = ("TaskFailed", "TaskTimedOut", "TaskSubmitFailed", "TaskStartFailed")
_WARM, _PATIENCE_SECONDS = "warm", 120.0


@dataclass(frozen=True)
class Followed:
    """A job, from its caller's POST to its execution's end.

    Attributes:
        calls: all that the function called, AWS and Finch, in order.
        transitions: of its execution.
    """

    calls: list[str]
    transitions: int

    @property
    def looks(self) -> int:
        """How often Finch was asked for it."""
        return self.calls.count(LOOK)

    @property
    def on_the_way_in(self) -> list[str]:
        """AWS's calls until its execution was started."""
        return [call for call in self.calls[: self.calls.index(START) + 1] if call != ENQUEUE]

    @property
    def after_each_look(self) -> list[list[str]]:
        """AWS's calls after each look, until the next."""
        at = [number for number, call in enumerate(self.calls) if call == LOOK]
        return [self.calls[i + 1 : j] for i, j in zip(at, [*at[1:], len(self.calls)], strict=True)]


@dataclass(frozen=True)
class Outcome:
    """A few jobs by connection, and what one environment read beside them, how often and in how many seconds."""

    jobs: dict[str, Followed]
    kept: dict[str, int]
    seconds: float


def rows() -> Iterator[Row]:
    """Give the rows of calls and transitions."""
    outcome = _outcome()
    yield from _calls(outcome.jobs["many-looks"])
    yield Row(
        "AWS reads of what is kept for a minute, the most often read",
        max(outcome.kept.values()),
        at_most=1 + outcome.seconds // 60,
        note=f"{', '.join(f'{name} {times} times' for name, times in outcome.kept.items())} in {outcome.seconds:.0f} s "
        "and one environment, beside the calls above",
    )
    for job in outcome.jobs.values():
        yield Row(
            "state transitions of a job",
            job.transitions,
            at_most=3 * job.looks + 4,
            note=f"{job.looks} looks: 3 each, and {job.transitions - 3 * job.looks}",
        )


def _calls(job: Followed) -> Iterator[Row]:
    *looks, last = job.after_each_look
    nothing_new = [calls for calls in looks if not any(call.endswith("polls") for call in calls)]
    changes = len(looks) - len(nothing_new)
    yield Row(
        "AWS calls on the way in of a job",
        len(job.on_the_way_in),
        at_most=CALLS_ON_THE_WAY_IN,
        note="; ".join(job.on_the_way_in),
    )
    yield Row(
        "AWS calls of a look that finds nothing new, the most",
        max(len(calls) for calls in nothing_new),
        at_most=0,
        note=f"{len(nothing_new)} such looks",
    )
    yield Row(
        "AWS calls of the look that finds the end",
        len(last),
        at_most=CALLS_AT_THE_END,
        note="; ".join(last),
    )
    yield Row(
        "AWS calls of a job, all",
        len(job.calls) - job.looks - job.calls.count(ENQUEUE),
        at_most=CALLS_ON_THE_WAY_IN + changes + CALLS_AT_THE_END,
        note=f"{job.looks} looks, {changes} of which found another status: one write each",
    )


def _outcome() -> Outcome:
    with _recorded_stack() as (stack, journal):
        began = time.monotonic()
        _follow(stack, _WARM)  # fills what is kept for a minute
        jobs = {}
        for connection in SECONDS:
            before = len(journal.calls())
            transitions = _follow(stack, connection)
            calls = [call.step.name for call in journal.calls()[before:]]
            jobs[connection] = Followed([call for call in calls if call not in _KEPT_FOR_A_MINUTE], transitions)
        read = Counter(call.step.name for call in journal.calls())
        return Outcome(jobs, {name: read[name] for name in _KEPT_FOR_A_MINUTE}, time.monotonic() - began)


@contextmanager
def _recorded_stack() -> Iterator[tuple[Stack, Journal]]:
    """Run a stack whose function's calls are written down; it has one environment, so that they are in order."""
    journal = Journal()

    def to_finch(method: str, path: str, _headers: Message, _body: bytes) -> Step:
        return finch_step(method, path, None, again=False)

    def to_aws(_method: str, _path: str, headers: Message, body: bytes) -> Step:
        return aws_step(headers["X-Amz-Target"], body, {})

    by_connection = {name: {"in_progress_seconds": seconds} for name, seconds in SECONDS.items()}
    settings = {"pending_seconds": 0, "in_progress_seconds": 0, "connections": by_connection}
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        sandbox = running.enter_context(
            running_sandbox(Sandbox(automated=(_WARM, *SECONDS), assisted=(), settings=settings), folder)
        )
        finch_proxy = running.enter_context(closing(FaultProxy(to_finch, journal, Armory())))
        aws_proxy = running.enter_context(closing(FaultProxy(to_aws, journal, Armory())))
        stack = running.enter_context(
            running_stack(
                Finch(finch_proxy.stand_before(sandbox.url), sandbox.tokens),
                environments=1,
                before_aws=aws_proxy.stand_before,
            )
        )
        # The sweep calls AWS too, and for no job in particular.
        stack.session.client("events", endpoint_url=stack.aws_endpoint_url).disable_rule(Name=stack.sweep_rule_name)
        ask("POST", f"{stack.aws_endpoint_url}/_ministack/config", {"stepfunctions._SFN_WAIT_SCALE": WAIT_SCALE})
        yield stack, journal


def _follow(stack: Stack, connection: str) -> int:
    """Trigger a job over HTTP, and see its execution to the end: how many transitions that took."""
    states = stack.session.client("stepfunctions", endpoint_url=stack.aws_endpoint_url)
    arn = f"{stack.state_machine_arn.replace(':stateMachine:', ':execution:')}:{trigger(stack, connection)}"
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (status := states.describe_execution(executionArn=arn)["status"]) == "RUNNING":
        if time.monotonic() > deadline:
            raise BenchmarkError(f"the execution of {connection}'s job does not end")
        time.sleep(0.2)
    if status != "SUCCEEDED":
        raise BenchmarkError(f"the execution of {connection}'s job ended as {status}")
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
    events = [event for page in pages for event in page["events"]]
    return sum("stateEnteredEventDetails" in event or event["type"].endswith(_FAILED) for event in events)
