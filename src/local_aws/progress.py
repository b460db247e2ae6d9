"""How the jobs of a stack are getting on, read from their records and their executions' history."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.conditions import Key

from local_aws.stack import Stack

_ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


@dataclass(frozen=True)
class JobProgress:
    """One job at one moment."""

    connection: str
    job_id: str
    record: Mapping[str, Any]
    execution: str  # the execution's status, or "-" while there is none
    state: str  # where the execution is, or was last
    waits: int

    @property
    def status(self) -> str:
        """Finch's word."""
        return str(self.record.get("status", "-"))

    @property
    def tracking(self) -> str:
        """Our word: whether the job is still followed."""
        return str(self.record.get("tracking", "-"))

    @property
    def polls(self) -> int:
        """How often Finch was asked."""
        return int(self.record.get("polls", 0))

    @property
    def elapsed_seconds(self) -> float:
        """The time since Finch accepted the job, until its end was recorded or now."""
        accepted, ended = self.record["accepted_at"], self.record.get("ended_at")
        until = datetime.fromisoformat(ended) if ended else datetime.now(UTC)
        return (until - datetime.fromisoformat(accepted)).total_seconds()

    @property
    def ended(self) -> bool:
        """Whether neither record nor execution will change any more."""
        return self.tracking != "active" and self.execution in _ENDED

    @property
    def well(self) -> bool:
        """Whether Finch's final word is recorded."""
        return self.tracking == "done" and self.execution == "SUCCEEDED"


def jobs_of(stack: Stack, connection: str) -> list[JobProgress]:
    """Return a connection's jobs, oldest first."""
    table = stack.session.resource("dynamodb", endpoint_url=stack.aws_endpoint_url).Table(stack.table_name)
    of_connection = Key("pk").eq(f"connection#{connection}") & Key("sk").begins_with("job#")
    records = table.query(KeyConditionExpression=of_connection, ConsistentRead=True)["Items"]
    jobs = [_progress(stack, connection, record) for record in records]
    return sorted(jobs, key=lambda job: str(job.record["accepted_at"]))


def _progress(stack: Stack, connection: str, record: Mapping[str, Any]) -> JobProgress:
    job_id = str(record["sk"]).removeprefix("job#")
    states = stack.session.client("stepfunctions", endpoint_url=stack.aws_endpoint_url)
    executions = [
        each
        for each in states.list_executions(stateMachineArn=stack.state_machine_arn)["executions"]
        if each["name"].startswith(job_id)
    ]
    if not executions:
        return JobProgress(connection, job_id, record, execution="-", state="-", waits=0)
    newest = max(executions, key=lambda each: each["startDate"])
    pages = states.get_paginator("get_execution_history").paginate(executionArn=newest["executionArn"])
    entered = [
        event["stateEnteredEventDetails"]["name"]
        for page in pages
        for event in page["events"]
        if "stateEnteredEventDetails" in event
    ]
    return JobProgress(
        connection,
        job_id,
        record,
        execution=newest["status"],
        state=entered[-1] if entered else "-",
        waits=entered.count("Wait"),
    )
