"""Everything that a stack keeps or tells, but where credentials belong: for the search at its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3
from mypy_boto3_logs import CloudWatchLogsClient
from mypy_boto3_stepfunctions import SFNClient

from local_aws.finch import Finch, Sandbox
from local_aws.stack import Stack, running_stack
from tests import canaries
from tests.operate.buses import subscribed

LOGS = ("emulator.log", "deploy.log", "answers.jsonl")
"""Without sandbox.log: the local Finch begins by saying which tokens open it."""


@contextmanager
def searched_stack(finch: Finch | Sandbox, **given: Any) -> Iterator[Stack]:
    """A running stack; at its end all that it wrote down and announced is searched for credentials."""
    with running_stack(finch, **given) as stack, searched(stack):
        yield stack


@contextmanager
def searched(stack: Stack) -> Iterator[None]:
    """Search, when the block ends, what a stack wrote down, and what was announced meanwhile."""
    everything: dict[str, list[dict[str, str]]] = {"source": [{"prefix": ""}]}
    with subscribed(stack.session, stack.aws_endpoint_url, "default", everything) as consumer:
        yield
        canaries.search("event on the bus", *consumer.take())
    for where, what in written_down(stack):
        canaries.search(where, what)


def written_down(stack: Stack) -> Iterator[tuple[str, object]]:
    """Records, executions with their whole histories, all logs, all answers, and what Finch was sent."""
    clients = stack.session
    table = clients.client("dynamodb", endpoint_url=stack.aws_endpoint_url)
    for items in table.get_paginator("scan").paginate(TableName=stack.table_name):
        yield "record", items["Items"]
    yield from _executions(clients.client("stepfunctions", endpoint_url=stack.aws_endpoint_url), stack)
    yield from _log_groups(clients.client("logs", endpoint_url=stack.aws_endpoint_url))
    for log in LOGS:
        yield log, (stack.folder / log).read_text(errors="replace")
    yield "what Finch saw", urllib3.request("GET", f"{stack.finch_url}/_sandbox/ledger").json()


def _executions(machines: SFNClient, stack: Stack) -> Iterator[tuple[str, object]]:
    for page in machines.get_paginator("list_executions").paginate(stateMachineArn=stack.state_machine_arn):
        for execution in page["executions"]:
            name, arn = execution["name"], execution["executionArn"]
            yield f"execution {name}", machines.describe_execution(executionArn=arn)
            for history in machines.get_paginator("get_execution_history").paginate(executionArn=arn):
                yield f"history of execution {name}", history["events"]


def _log_groups(logs: CloudWatchLogsClient) -> Iterator[tuple[str, object]]:
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            for found in logs.get_paginator("filter_log_events").paginate(logGroupName=name):
                yield f"log group {name}", found["events"]
