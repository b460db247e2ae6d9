"""The executions that follow jobs: one a job, by the job's name."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from finch_sync import polling
from finch_sync.clock import to_text
from finch_sync.jobs import Job
from finch_sync.polling import UNKNOWN, Durations

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


def first_input(job: Job, known: Durations, expected: Durations = UNKNOWN, *, at_once: bool = False) -> dict[str, Any]:
    """What a job's execution starts with, and what is known of its connection: no look has to read that again."""
    remaining = (job.deadline - job.accepted_at).total_seconds()
    wait = 1 if at_once else polling.wait_seconds(0.0, remaining, known.or_else(expected))
    return {
        "connection": job.connection,
        "job_id": job.job_id,
        "accepted_at": to_text(job.accepted_at),
        "deadline": to_text(job.deadline),
        "status": job.status,
        "polls": job.polls,
        "not_found": 0,
        "wait_seconds": wait or 1,
        "known": asdict(known),
    }


class Executions:
    """Executions of the state machine that follows jobs, where ``expected`` is what a connection's first job takes."""

    def __init__(self, client: "SFNClient", state_machine_arn: str, expected: Durations = UNKNOWN) -> None:
        self._client = client
        self._arn = state_machine_arn
        self._expected = expected

    def start(self, job: Job, known: Durations, *, at_once: bool = False) -> None:
        """Have a job followed, with its first look now or when the policy says. Starting what runs, or ran, is fine."""
        first = first_input(job, known, self._expected, at_once=at_once)
        try:
            self._client.start_execution(stateMachineArn=self._arn, name=job.execution_name, input=json.dumps(first))
        except self._client.exceptions.ExecutionAlreadyExists:
            # The same name with another input: names stay taken for 90 days (Step Functions API, StartExecution).
            return

    def is_running(self, job: Job) -> bool | None:
        """Whether a job's execution runs; None when it was never started."""
        try:
            execution = self._client.describe_execution(executionArn=self._execution_arn(job.execution_name))
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return execution["status"] in {"RUNNING", "PENDING_REDRIVE"}

    def stop(self, job: Job) -> None:
        """End a job's execution, whose place another one has taken."""
        try:
            self._client.stop_execution(executionArn=self._execution_arn(job.execution_name), error="Replaced")
        except self._client.exceptions.ExecutionDoesNotExist:
            return

    def connection_of(self, job_id: str) -> str | None:
        """The connection whose job this is, by the execution that was started for it; None when there is none."""
        try:
            execution = self._client.describe_execution(executionArn=self._execution_arn(job_id))
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        connection: str = json.loads(execution["input"])["connection"]
        return connection

    def _execution_arn(self, name: str) -> str:
        return self._arn.replace(":stateMachine:", ":execution:") + f":{name}"
