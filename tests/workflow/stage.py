"""The shipped state machine in moto's interpreter, with the real function and a real Finch sandbox behind it.

Time stands still but for the waits: a Wait state and the pause before a Retry move the clock and take no time.

Where moto 5.2.5 differs from AWS, as far as these tests could notice:

- It measures the machine's TimeoutSeconds by the wall clock (``program.py`` joins its thread for so long). Here that
  time is the tests' time, by the number in the definition and with moto's own way of ending an execution.
- It never tells EventBridge of an execution's end, as AWS does: `Workflow.tell_of_end` hands the function that event.
- Its TransactWriteItems is no transaction between threads (``dynamodb/models`` copies whole tables while others write,
  and puts the copy back when a condition fails), so jobs are triggered one after another here.
- It never throttles an invocation, so a test raises Lambda's error where Lambda would.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from jsonpath_ng.ext.parser import parse as parse_path
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.exceptions import JsonRESTError
from moto.events.models import EventsBackend
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

from finch_sandbox.server import Sandbox
from finch_sync import app
from finch_sync.connections import Connections
from finch_sync.jobs import Job
from finch_sync.pause import Pause
from finch_sync.services import Services
from finch_sync.settings import Settings
from tests import canaries
from tests.searching import search_requests
from tests.template.shipped import properties
from tests.world import PROJECT, Clock, secret_string, table_arguments

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from finch_sync.aws import Aws

REGION = "us-east-1"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:123456789012:function:finch-sync"
LOOKS = "/jobs/automated/*"
"""The path of a look at a job, for faults."""

_ENDS_WITHIN = 120

Event = dict[str, Any]


@cache
def definition() -> str:
    """The state machine as `sam deploy` sends it: the shipped file, its placeholders filled by the template's names."""
    shipped = properties("SyncJobStateMachine")
    text: str = (PROJECT / shipped["DefinitionUri"]).read_text()
    for name in shipped["DefinitionSubstitutions"]:
        text = text.replace(f"${{{name}}}", {"SyncFunctionArn": FUNCTION_ARN, "EventBusName": "default"}[name])
    assert "${" not in text
    return text


@cache
def _session() -> boto3.Session:
    """One for all tests: reading botocore's service models again would take longer than most of them."""
    return search_requests(boto3.Session("none", "none", region_name=REGION))


class LambdaThrottled(JsonRESTError):
    """Lambda's own answer when too many invocations run."""

    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


@dataclass(frozen=True)
class Waiting:
    """An execution at the door of a Wait state."""

    connection: str
    execution: str
    state: str
    seconds: float
    since: datetime


@dataclass(frozen=True)
class Execution:
    """An execution that has ended, and its history."""

    name: str
    status: str
    input: str
    history: list[HistoryEventTypeDef]

    @property
    def states(self) -> list[str]:
        """The states entered, in order."""
        return [e["stateEnteredEventDetails"]["name"] for e in self.history if "stateEnteredEventDetails" in e]

    @property
    def waits(self) -> list[int]:
        """The seconds of each Wait, as the history has them."""
        return [state["wait_seconds"] for state in self.inputs("Wait")]

    @property
    def polls(self) -> int:
        """How often the state Poll was entered."""
        return self.states.count("Poll")

    @property
    def failures(self) -> list[str]:
        """The errors of the tasks' attempts."""
        failed = [e.get("taskFailedEventDetails") or e.get("taskTimedOutEventDetails") for e in self.history]
        return [details["error"] for details in failed if details]

    @property
    def error(self) -> str | None:
        """What the execution failed with."""
        return self.history[-1].get("executionFailedEventDetails", {}).get("error")

    def inputs(self, state: str) -> list[dict[str, Any]]:
        """What a state was entered with, each time."""
        entered = [e["stateEnteredEventDetails"] for e in self.history if "stateEnteredEventDetails" in e]
        return [json.loads(details["input"]) for details in entered if details["name"] == state]

    def outputs(self, state: str) -> list[str]:
        """What a state was left with, each time, as text."""
        left = [e["stateExitedEventDetails"] for e in self.history if "stateExitedEventDetails" in e]
        return [details["output"] for details in left if details["name"] == state]


@dataclass(frozen=True)
class Followed:
    """A job whose execution has ended."""

    execution: Execution
    record: Job


class _Services(Services):
    """The function's objects in one environment, whose caches age by the tests' clock too."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        # The function sends its requests itself, past moto, to the real AWS: no client of its own may be made here.
        self._aws = cast("Aws", boto3)
        secrets = boto3.client("secretsmanager")
        self.connections = Connections(secrets, settings.connections_secret_id, clock.timestamp)
        self.pause = Pause(self.store, clock.timestamp)


@dataclass
class _Context:
    function_name: str = "finch-sync"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = FUNCTION_ARN
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Workflow:
    """The stack as far as following a job needs it."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.function: Callable[[Event], Any] = self.handle
        self.before_wait: Callable[[Waiting], None] = lambda _: None
        self.retry_pauses: list[float] = []
        self.announced: list[dict[str, Any]] = []
        self.announcements_to_refuse = 0
        self._machine_timeout: int = json.loads(definition())["TimeoutSeconds"]
        self._began: dict[str, datetime] = {}
        self._ended: set[str] = set()
        self._ending = threading.Condition()
        self._tables = boto3.client("dynamodb")
        self._secrets = boto3.client("secretsmanager")
        self._executions = boto3.client("stepfunctions")
        self._tables.create_table(TableName="records", **table_arguments())
        self._secret = self._secrets.create_secret(Name="connections", SecretString=secret_string(sandbox.tokens))[
            "ARN"
        ]
        self._arn = self._executions.create_state_machine(
            name="sync-job", definition=definition(), roleArn="arn:aws:iam::123456789012:role/sync-job"
        )["stateMachineArn"]
        self.deploy()

    # --- the function ------------------------------------------------------------------------------------------------

    def deploy(self, *, job_deadline_seconds: int = 21600, first_job_seconds: int = 0) -> None:
        """Start with a new environment of the function."""
        self.settings = Settings.from_environment(
            {
                "FINCH_BASE_URL": self.sandbox.url,
                "TABLE_NAME": "records",
                "CONNECTIONS_SECRET_ID": self._secret,
                "STATE_MACHINE_ARN": self._arn,
                "SCHEDULED_CONNECTIONS": "",
                "JOB_DEADLINE_SECONDS": str(job_deadline_seconds),
                "FIRST_JOB_SECONDS": str(first_job_seconds),
                "EVENT_BUS_NAME": "default",
            }
        )
        self.services: Services = _Services(self.settings, self.clock)

    def handle(self, event: Event) -> Any:
        """Give an event to the shipped handler."""
        return app.handler(event, cast("LambdaContext", _Context()))

    def put_secret(self, finch_tokens: dict[str, str]) -> None:
        """Edit the connections, as an operator would."""
        self._secrets.put_secret_value(SecretId=self._secret, SecretString=secret_string(finch_tokens))

    # --- jobs and executions -----------------------------------------------------------------------------------------

    def start(self, *connections: str) -> list[str]:
        """Trigger a job for each connection, one after another.

        Returns:
            The jobs' ids. Their executions may have ended already.
        """
        names, key = connections or ("acme",), str(uuid4())
        for name in names:
            outcome = self.handle({"enqueue": {"idempotency_key": key, "connections": [name]}})
            assert outcome == {name: "accepted"}
        requests = [self.services.store.request(name, f"direct:{key}") for name in names]
        return [request.job_id for request in requests if request and request.job_id]

    def follow(self, connection: str = "acme") -> Followed:
        """Trigger a job and see its execution to the end."""
        (job_id,) = self.start(connection)
        return self.followed(job_id, connection=connection)

    def followed(self, name: str, *, connection: str = "acme") -> Followed:
        """See an execution to its end, and look at its job's record."""
        return Followed(self.ended(name), self.record(name.partition(".")[0], connection=connection))

    def ended(self, name: str) -> Execution:
        """See an execution to its end."""
        arn = self._execution_arn(name)
        with self._ending:
            assert self._ending.wait_for(lambda: name in self._ended, _ENDS_WITHIN), f"{name} does not end"
        described = self._executions.describe_execution(executionArn=arn)
        pages = self._executions.get_paginator("get_execution_history").paginate(executionArn=arn)
        history = [event for page in pages for event in page["events"]]
        canaries.search("execution and its history", described, *history)
        return Execution(name, described["status"], described["input"], history)

    def record(self, job_id: str, *, connection: str = "acme") -> Job:
        """A job's record."""
        job = self.services.store.job(connection, job_id)
        assert job is not None
        return job

    def stop(self, name: str) -> None:
        """Stop an execution from outside."""
        self._executions.stop_execution(executionArn=self._execution_arn(name), error="Operator", cause="by hand")

    def names(self) -> list[str]:
        """The executions that there are, oldest first."""
        listed = self._executions.list_executions(stateMachineArn=self._arn)["executions"]
        return [execution["name"] for execution in sorted(listed, key=lambda execution: execution["startDate"])]

    def tell_of_end(self, name: str) -> None:
        """Hand the function the status change that EventBridge sends when an execution failed, timed out or stopped."""
        ended = self.ended(name)
        event = json.loads((PROJECT / "events" / "execution_timed_out.json").read_text())
        event["detail"] |= {
            "executionArn": self._execution_arn(name),
            "stateMachineArn": self._arn,
            "name": name,
            "status": ended.status,
            "input": ended.input,
        }
        assert self.handle(event) is None

    def looks(self, connection: str = "acme") -> list[datetime]:
        """When Finch was asked for a job of this connection."""
        requests = self.sandbox.ledger()["requests"]
        return [
            datetime.fromisoformat(request["at"])
            for request in requests
            if request["method"] == "GET" and request["connection"] == connection
        ]

    def everything_stored(self) -> str:
        """All items of the table, as text."""
        return json.dumps(self._tables.scan(TableName="records")["Items"])

    def _execution_arn(self, name: str) -> str:
        return self._arn.replace(":stateMachine:", ":execution:") + f":{name}"

    # --- in place of Lambda and of time ------------------------------------------------------------------------------

    def invoke(self, _name: str, _qualifier: object, body: str, _h: object, headers: Any) -> bytes:
        """Answer an invocation as Lambda does; a raised error as its runtime interface client reports it."""
        try:
            return json.dumps(self.function(json.loads(body))).encode()
        except LambdaThrottled:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the function raises
            headers["x-amz-function-error"] = "Unhandled"
            return json.dumps(
                {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": "r", "stackTrace": []}
            ).encode()

    def put_events(self, entries: list[dict[str, Any]]) -> list[dict[str, str]]:
        """Take announcements as EventBridge does."""
        if self.announcements_to_refuse > 0:
            self.announcements_to_refuse -= 1
            raise JsonRESTError("ThrottlingException", "Rate exceeded")
        self.announced += entries
        return [{"EventId": str(uuid4())} for _ in entries]

    def wait(self, env: Environment, wait_seconds: float) -> None:
        """Let an execution wait: move the clock, but not past the machine's TimeoutSeconds."""
        context = cast("dict[str, Any]", env.states.context_object.context_object_data)
        name, now = context["Execution"]["Name"], self.clock()
        # The first state is a Wait, so this is when the execution began.
        left = self._machine_timeout - (now - self._began.setdefault(name, now)).total_seconds()
        connection = context["Execution"]["Input"]["connection"]
        self.before_wait(Waiting(connection, name, context["State"]["Name"], wait_seconds, now))
        if not env.is_running():
            return
        if wait_seconds >= left:
            self.clock.advance(seconds=left)
            env.set_timed_out()
        else:
            # Another execution may have moved the clock meanwhile: two that wait at once do not add up.
            self.clock.moment = max(self.clock(), now + timedelta(seconds=wait_seconds))

    def pause_before_retry(self, seconds: float) -> None:
        """Let a Retry wait."""
        self.retry_pauses.append(seconds)
        self.clock.advance(seconds=seconds)

    def note_end(self, name: str) -> None:
        """Wake up whoever waits for this execution's end."""
        with self._ending:
            self._ended.add(name)
            self._ending.notify_all()

    def end_all(self) -> None:
        """Leave no execution running, and none unread."""
        for name in self.names():
            if name not in self._ended:
                self.stop(name)
            self.ended(name)


def _noting_ends(workflow: Workflow) -> Callable[[BaseExecutionWorkerCommunication], None]:
    terminated = BaseExecutionWorkerCommunication.terminated

    def then_note(worker: BaseExecutionWorkerCommunication) -> None:
        terminated(worker)
        workflow.note_end(worker.execution.name)

    return then_note


@contextmanager
def running_workflow(sandbox: Sandbox, clock: Clock) -> Iterator[Workflow]:
    """The stage, until the block ends."""
    config: Any = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        with mock_aws(config=config):
            patch.setattr(boto3, "DEFAULT_SESSION", _session())
            workflow = Workflow(sandbox, clock)
            patch.setattr(app, "services", lambda: workflow.services)
            patch.setattr(app, "settings", lambda: workflow.settings)
            patch.setattr(LambdaSimpleBackend, "invoke", workflow.invoke)
            patch.setattr(EventsBackend, "put_events", workflow.put_events)
            patch.setattr(WaitFunction, "_wait_interval", workflow.wait)
            patch.setattr(BaseExecutionWorkerCommunication, "terminated", _noting_ends(workflow))
            # moto makes a client for every task and parses every path each time it is looked at: half of a test's time.
            invoker = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}, read_timeout=3600))
            patch.setattr(lambda_eval_utils, "boto_client_for", lambda **_: invoker)
            patch.setattr(json_path, "parse", cache(parse_path))
            patch.setattr(retrier_decl, "time", SimpleNamespace(sleep=workflow.pause_before_retry))
            try:
                yield workflow
            finally:
                workflow.end_all()
                canaries.search("record", workflow.everything_stored())
                canaries.search("event on the bus", workflow.announced)
                canaries.search("what Finch saw", sandbox.ledger())
