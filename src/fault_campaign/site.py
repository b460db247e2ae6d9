"""Where the campaign takes place: the real local stack, with a fault proxy on each way out of the function."""

import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from fault_campaign.arming import Armory
from fault_campaign.journal import Journal
from fault_campaign.proxy import FaultProxy
from fault_campaign.sandbox import RestartableSandbox, restartable_sandbox
from fault_campaign.steps import Step, aws_step, finch_step
from local_aws.stack import Stack, running_stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBServiceResource
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

_ENVIRONMENTS = 6
_DEADLINE_SECONDS = 3600
_NO_RETRIES = Config(retries={"total_max_attempts": 1}, read_timeout=90, max_pool_connections=64)


@dataclass(frozen=True)
class Site:
    """The stack, its Finch, and the proxies' journal and traps. The campaign's own calls do not pass the proxies."""

    stack: Stack
    sandbox: RestartableSandbox
    finch_proxy: FaultProxy
    journal: Journal
    armory: Armory
    ticked: str

    @cached_property
    def functions(self) -> "LambdaClient":
        """Lambda."""
        return self.stack.session.client("lambda", endpoint_url=self.stack.aws_endpoint_url, config=_NO_RETRIES)

    @cached_property
    def machines(self) -> "SFNClient":
        """Step Functions."""
        return self.stack.session.client("stepfunctions", endpoint_url=self.stack.aws_endpoint_url, config=_NO_RETRIES)

    @cached_property
    def rules(self) -> "EventBridgeClient":
        """EventBridge."""
        return self.stack.session.client("events", endpoint_url=self.stack.aws_endpoint_url)

    @cached_property
    def queues(self) -> "SQSClient":
        """SQS."""
        return self.stack.session.client("sqs", endpoint_url=self.stack.aws_endpoint_url)

    @cached_property
    def table(self) -> "Table":
        """The records."""
        database: DynamoDBServiceResource = self.stack.session.resource(
            "dynamodb", endpoint_url=self.stack.aws_endpoint_url
        )
        return database.Table(self.stack.table_name)

    def records(self) -> list[dict[str, Any]]:
        """Everything in the table."""
        items: list[dict[str, Any]] = []
        page = self.table.scan(ConsistentRead=True)
        items += page["Items"]
        while "LastEvaluatedKey" in page:
            page = self.table.scan(ConsistentRead=True, ExclusiveStartKey=page["LastEvaluatedKey"])
            items += page["Items"]
        return items

    def executions(self) -> list[tuple[str, str]]:
        """Name and status of every execution."""
        pages = self.machines.get_paginator("list_executions").paginate(stateMachineArn=self.stack.state_machine_arn)
        return [(each["name"], each["status"]) for page in pages for each in page["executions"]]

    def any_execution_runs(self) -> bool:
        """Whether a job is followed at this moment."""
        running = self.machines.list_executions(
            stateMachineArn=self.stack.state_machine_arn, statusFilter="RUNNING", maxResults=1
        )
        return bool(running["executions"])

    def scale_waits(self, factor: float) -> None:
        """Make the Wait states of executions, and the pauses before their retries, shorter or longer."""
        change = json.dumps({"stepfunctions._SFN_WAIT_SCALE": factor}).encode()
        with urllib.request.urlopen(f"{self.stack.aws_endpoint_url}/_ministack/config", change, timeout=10):  # noqa: S310 - loopback
            pass

    def invoke(self, event: Mapping[str, Any], *, wait: bool) -> None:
        """Invoke the function; without waiting, Lambda retries it and keeps a dead letter."""
        self.functions.invoke(
            FunctionName=self.stack.function_name,
            InvocationType="RequestResponse" if wait else "Event",
            Payload=json.dumps(event).encode(),
        )


@contextmanager
def running_site(connections: Sequence[str], ticked: str, settings: Mapping[str, Any], on_step: Any) -> Iterator[Site]:
    """Run a stack with faults ready to be set.

    Args:
        connections: the names of the connections that callers use.
        ticked: the one that the schedule enqueues.
        settings: the sandbox's.
        on_step: told what is being done next.
    """
    journal, armory = Journal(), Armory()
    with ExitStack() as running:
        folder = Path(running.enter_context(TemporaryDirectory(prefix="fault-campaign-")))
        sandbox = running.enter_context(restartable_sandbox(folder, [*connections, ticked], settings))
        names = {f"Bearer {token}": name for name, token in sandbox.finch.tokens.items()}

        def to_finch(method: str, path: str, headers: Message, _body: bytes) -> Step:
            connection = names.get(headers.get("Authorization", ""))
            return finch_step(method, path, connection, again=journal.is_repeated(connection))

        def to_aws(_method: str, _path: str, headers: Message, body: bytes) -> Step:
            return aws_step(headers["X-Amz-Target"], body, journal.owners)

        finch_proxy = running.enter_context(closing(FaultProxy(to_finch, journal, armory)))
        aws_proxy = running.enter_context(closing(FaultProxy(to_aws, journal, armory)))
        finch = sandbox.finch
        stack = running.enter_context(
            running_stack(
                type(finch)(finch_proxy.stand_before(finch.url), finch.tokens),
                parameters={
                    "JobDeadlineSeconds": str(_DEADLINE_SECONDS),
                    "ScheduleExpression": "cron(* * * * ? *)",
                    "ScheduledConnections": ticked,
                },
                environments=_ENVIRONMENTS,
                before_aws=aws_proxy.stand_before,
                on_step=on_step,
            )
        )
        yield Site(stack, sandbox, finch_proxy, journal, armory, ticked)
        if mistakes := [*finch_proxy.mistakes, *aws_proxy.mistakes]:
            raise ExceptionGroup("calls that the campaign does not know", mistakes)
