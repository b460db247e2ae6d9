"""The function's objects on real servers, with a clock that the tests move."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_events import EventBridgeClient
from mypy_boto3_secretsmanager import SecretsManagerClient
from mypy_boto3_stepfunctions import SFNClient

from finch_sandbox.credentials import MARK
from finch_sandbox.server import Sandbox
from finch_sync.announcements import Announcer
from finch_sync.connections import Connections
from finch_sync.executions import Executions
from finch_sync.finch import Finch
from finch_sync.services import Services
from finch_sync.settings import Settings
from finch_sync.store import Store
from tests.searching import search_requests
from tests.template.shipped import properties

PROJECT = Path(__file__).parent.parent
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CALLER_TOKENS = {name: f"{MARK}-caller-of-{name}" for name in ("acme", "globex", "initech-assisted")}


@dataclass
class Clock:
    """Time that passes only when a test says so. The sandbox reads it too."""

    moment: datetime = START

    def __call__(self) -> datetime:
        return self.moment

    def timestamp(self) -> float:
        return self.moment.timestamp()

    def advance(self, *, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def table_arguments() -> dict[str, Any]:
    """The table of template.yaml as arguments of CreateTable."""
    table = properties("Table")
    names = ("BillingMode", "AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", "GlobalSecondaryIndexes")
    return {name: table[name] for name in names}


@dataclass
class Aws:
    """Clients of an emulated AWS, and fresh resources in it."""

    endpoint_url: str
    dynamodb: DynamoDBClient
    stepfunctions: SFNClient
    secretsmanager: SecretsManagerClient
    events: EventBridgeClient
    state_machine_arn: str = field(init=False)

    def __post_init__(self) -> None:
        # Nothing runs it: the workflow has tests of its own. Here it matters which executions there are.
        definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 86400, "End": True}}}
        self.state_machine_arn = self.stepfunctions.create_state_machine(
            name=f"follow-{uuid4()}",
            definition=json.dumps(definition),
            roleArn="arn:aws:iam::000000000000:role/nobody",
        )["stateMachineArn"]

    @contextmanager
    def table(self) -> Iterator[str]:
        name = f"records-{uuid4()}"
        self.dynamodb.create_table(TableName=name, **table_arguments())
        yield name
        self.dynamodb.delete_table(TableName=name)

    def secret(self, finch_tokens: dict[str, str]) -> str:
        return self.secretsmanager.create_secret(
            Name=f"connections-{uuid4()}", SecretString=secret_string(finch_tokens)
        )["ARN"]


def secret_string(finch_tokens: dict[str, str]) -> str:
    connections = {
        name: {"finch_token": token, "callers": [{"sha256": digest(CALLER_TOKENS[name])}]}
        for name, token in finch_tokens.items()
    }
    return json.dumps({"connections": connections})


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def aws(endpoint_url: str) -> Aws:
    session = search_requests(
        boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    )
    return Aws(
        endpoint_url,
        session.client("dynamodb", endpoint_url=endpoint_url),
        session.client("stepfunctions", endpoint_url=endpoint_url),
        session.client("secretsmanager", endpoint_url=endpoint_url),
        session.client("events", endpoint_url=endpoint_url),
    )


class World(Services):
    """The function's objects, as services.py builds them, but for where AWS is and what time it is."""

    def __init__(
        self, aws: Aws, sandbox: Sandbox, table: str, secret: str, clock: Clock, finch: Finch | None = None
    ) -> None:
        self.aws = aws
        self.sandbox = sandbox
        self.clock = clock
        self.table = table
        self.secret = secret
        settings = Settings.from_environment(
            {
                "FINCH_BASE_URL": sandbox.url,
                "TABLE_NAME": table,
                "CONNECTIONS_SECRET_ID": self.secret,
                "STATE_MACHINE_ARN": aws.state_machine_arn,
                "SCHEDULED_CONNECTIONS": "",
                "JOB_DEADLINE_SECONDS": "600",
                "FIRST_JOB_SECONDS": "0",
                "EVENT_BUS_NAME": "default",
            }
        )
        super().__init__(settings, clock)
        self.store = Store(aws.dynamodb, table)
        self.executions = Executions(aws.stepfunctions, aws.state_machine_arn)
        self.connections = Connections(aws.secretsmanager, self.secret, clock.timestamp)
        self.announcer = Announcer(aws.events, "default")
        self.finch = finch or Finch(sandbox.url)

    def put_secret(self, finch_tokens: dict[str, str]) -> None:
        """Edit the secret, as an operator would."""
        self.aws.secretsmanager.put_secret_value(SecretId=self.secret, SecretString=secret_string(finch_tokens))

    def put_secret_of(self, finch_tokens: dict[str, str]) -> None:
        """Put other connections into the secret, which nobody may call."""
        connections = {name: {"finch_token": token} for name, token in finch_tokens.items()}
        secret = json.dumps({"connections": connections})
        self.aws.secretsmanager.put_secret_value(SecretId=self.secret, SecretString=secret)

    def another(self, table: str | None = None) -> "World":
        """The same servers and records, or a fresh table of them, seen by another environment of the function."""
        return World(self.aws, self.sandbox, table or self.table, self.secret, self.clock, self.finch)

    def jobs_made(self, connection: str = "acme") -> list[str]:
        """The jobs that Finch made, by its own word."""
        return [job["job_id"] for job in self.sandbox.ledger()["jobs"] if job["connection"] == connection]

    def posts_seen(self, connection: str = "acme") -> int:
        """How many POSTs reached Finch."""
        requests = self.sandbox.ledger()["requests"]
        return sum(r["method"] == "POST" and r["connection"] == connection for r in requests)

    def running(self, execution: str) -> bool:
        """Whether an execution of this name runs."""
        arn = self.aws.state_machine_arn.replace(":stateMachine:", ":execution:") + f":{execution}"
        try:
            return self.aws.stepfunctions.describe_execution(executionArn=arn)["status"] == "RUNNING"
        except self.aws.stepfunctions.exceptions.ExecutionDoesNotExist:
            return False
