"""200 jobs at once on the local stack: ours, and the same stack with the fixed wait of AWS's job poller sample.

The same function, records and sandbox, and the same durations: only the state machine's Wait differs. Time is real, so
the jobs are those of a sandbox: long ones would take hours. Jobs per second are until the last job's end is recorded.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.durations import LONGEST, Durations, between
from benchmarks.local_jobs import ask, trigger
from benchmarks.peers import fixed
from benchmarks.polling import ours
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Row
from benchmarks.scale import SAMPLE_WAIT
from benchmarks.spending import Policy, looks, spent
from local_aws.finch import Sandbox
from local_aws.stack import Stack, running_stack

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

JOBS = 200
P5, P95 = 5.0, 60.0
"""A sandbox's durations, in seconds (assumed)."""

MORE_LOOKS = 1.10
"""How many more looks than the policy asks for may come of the stack's own delays and of the draw of durations."""

_CALLERS, _PATIENCE_SECONDS = 16, 420.0


@dataclass(frozen=True)
class Campaign:
    """200 jobs, from the first caller's POST to the last end that was recorded.

    Attributes:
        seconds: that it took.
        looks: at Finch, for all jobs.
        delay: seconds from a job's end to the record of it, on average.
    """

    seconds: float
    looks: int
    delay: float


def rows() -> Iterator[Row]:
    """Give the rows of throughput and looks."""
    settings = {"duration": {"p5": P5, "p95": P95}, "seed": 1}
    sandbox = Sandbox(automated=[f"connection-{number}" for number in range(JOBS)], assisted=(), settings=settings)
    with running_stack(sandbox, parameters={"FirstJobSeconds": "0"}) as stack:  # as the template has it
        adaptive = _run(stack)
        _wait_as_the_sample_does(stack)
        ask("POST", f"{stack.finch_url}/_sandbox/reset")
        sample = _run(stack)
    expected = _expected_looks(ours()) / _expected_looks(fixed(SAMPLE_WAIT))
    yield Row(
        f"throughput, {JOBS} jobs at once: completed jobs/s / with a fixed wait of {SAMPLE_WAIT:.0f} s",
        sample.seconds / adaptive.seconds,
        at_least=1,
        note=f"{JOBS / adaptive.seconds:.2f} jobs/s against {JOBS / sample.seconds:.2f}; an end is seen after "
        f"{adaptive.delay:.0f} s against {sample.delay:.0f} s",
    )
    yield Row(
        f"throughput, {JOBS} jobs at once: looks / with a fixed wait of {SAMPLE_WAIT:.0f} s",
        adaptive.looks / sample.looks,
        at_most=1,
        held=MORE_LOOKS * expected,
        note=f"{adaptive.looks} against {sample.looks}. 95 % of these jobs end within one such wait, which makes "
        f"{sample.looks / JOBS:.2f} looks a job, and no policy can do with less than 1; held is {MORE_LOOKS:.2f} times "
        f"{expected:.2f}, the policy's for these durations on paper. At jobs of minutes it makes fewer looks: see the "
        "row of a million jobs' cost",
    )


def _expected_looks(policy: Policy) -> float:
    return spent(looks(policy, LONGEST), Durations((between(1, P5, P95),))).polls


def _run(stack: Stack) -> Campaign:
    began = datetime.now(UTC)
    with ThreadPoolExecutor(_CALLERS) as callers:
        jobs = set(callers.map(lambda connection: trigger(stack, connection), stack.connections))
    if len(jobs) != JOBS:
        raise BenchmarkError(f"{len(jobs)} jobs of {JOBS} connections")
    ended = _ends(stack, jobs)
    ledger = ask("GET", f"{stack.finch_url}/_sandbox/ledger")
    ends = {job["job_id"]: datetime.fromisoformat(job["ends_at"]) for job in ledger["jobs"]}
    return Campaign(
        (max(ended.values()) - began).total_seconds(),
        sum(each["method"] == "GET" and each["job_id"] in jobs for each in ledger["requests"]),
        sum((ended[job] - ends[job]).total_seconds() for job in jobs) / JOBS,
    )


def _ends(stack: Stack, jobs: set[str]) -> dict[str, datetime]:
    """Wait until all jobs' executions have ended: when each did, by its name, which is the job's id."""
    states: SFNClient = stack.session.client("stepfunctions", endpoint_url=stack.aws_endpoint_url)
    pages = states.get_paginator("list_executions")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        listed = [
            each for page in pages.paginate(stateMachineArn=stack.state_machine_arn) for each in page["executions"]
        ]
        ended = {each["name"]: each["stopDate"] for each in listed if each["status"] == "SUCCEEDED"}
        if jobs <= ended.keys():
            return ended
        time.sleep(2)
    raise BenchmarkError(f"{len(jobs - ended.keys())} jobs of {JOBS} have not ended after {_PATIENCE_SECONDS:.0f} s")


def _wait_as_the_sample_does(stack: Stack) -> None:
    states: SFNClient = stack.session.client("stepfunctions", endpoint_url=stack.aws_endpoint_url)
    definition: dict[str, Any] = json.loads(
        states.describe_state_machine(stateMachineArn=stack.state_machine_arn)["definition"]
    )
    definition["States"]["Wait"] = {"Type": "Wait", "Seconds": int(SAMPLE_WAIT), "Next": "Poll"}
    states.update_state_machine(stateMachineArn=stack.state_machine_arn, definition=json.dumps(definition))
