"""An emulator of its own, with a small function in it, for what the emulator promises."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
import pytest

from local_aws.emulator import running_emulator, session
from local_aws.interpreter import function_interpreter

T = TypeVar("T")
ENVIRONMENTS = 2
ROLE = "arn:aws:iam::000000000000:role/any"

FUNCTION = """
import os, time

class FinchUnavailable(Exception):
    pass

def handler(event, context):
    if event.get("fail"):
        raise FinchUnavailable(event["fail"])
    time.sleep(event.get("seconds", 0))
    return {"pid": os.getpid(), "environment": dict(os.environ)}
"""


@dataclass(frozen=True)
class Aws:
    """The emulator as its tests use it."""

    endpoint_url: str
    session: boto3.Session
    function_arn: str

    def invoke(self, event: Mapping[str, Any], function: str = "small") -> Any:
        answer = self.session.client("lambda", endpoint_url=self.endpoint_url).invoke(
            FunctionName=function, Payload=json.dumps(event).encode()
        )
        return json.loads(answer["Payload"].read())

    def machine(self, name: str, definition: Mapping[str, Any]) -> str:
        states = self.session.client("stepfunctions", endpoint_url=self.endpoint_url)
        return states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)[
            "stateMachineArn"
        ]

    def ended(self, execution_arn: str) -> Any:
        states = self.session.client("stepfunctions", endpoint_url=self.endpoint_url)

        def look() -> Any:
            execution = states.describe_execution(executionArn=execution_arn)
            return execution if execution["status"] != "RUNNING" else None

        return eventually(look)

    def queue(self, name: str) -> tuple[str, str]:
        """Make a queue and give its URL and ARN."""
        sqs = self.session.client("sqs", endpoint_url=self.endpoint_url)
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def received(self, queue_url: str) -> Any:
        """Wait for one message and give its body."""
        sqs = self.session.client("sqs", endpoint_url=self.endpoint_url)

        def look() -> Any:
            messages = sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=1).get("Messages")
            return json.loads(messages[0]["Body"]) if messages else None

        return eventually(look)


def eventually(look: Callable[[], T | None], seconds: float = 20) -> T:
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return found


def function_code() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("small.py", FUNCTION)
    return archive.getvalue()


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    interpreter = function_interpreter()
    with running_emulator(tmp_path_factory.mktemp("emulator"), interpreter, ENVIRONMENTS) as endpoint_url:
        functions = session().client("lambda", endpoint_url=endpoint_url)
        created = functions.create_function(
            FunctionName="small",
            Runtime=interpreter.runtime,  # type: ignore[arg-type] # the stubs want one of the literals
            Role=ROLE,
            Handler="small.handler",
            Code={"ZipFile": function_code()},
            Timeout=10,
        )
        yield Aws(endpoint_url, session(), created["FunctionArn"])
