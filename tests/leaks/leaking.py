"""Tests that leak a credential, each in its own way, and one that does not: `test_search` sees how they end."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, TypeVar

import pytest
import urllib3

from finch_sandbox.credentials import new_token
from finch_sync import app
from finch_sync.finch import Finch, FinchUnavailable, JobNotFound
from local_aws.stack import Stack
from tests import canaries
from tests.unit.callers import answered, proxy_event
from tests.workflow.conftest import workflow
from tests.workflow.stage import Workflow
from tests.world import CALLER_TOKENS, World
from tests.written_down import searched

__all__ = ["workflow"]

TOKEN = new_token()

LEAKS: dict[str, str] = {}
"""Where the search must find what each test leaks."""

Test = TypeVar("Test", bound=Callable[..., None])


def found_in(where: str) -> Callable[[Test], Test]:
    def decorate(test: Test) -> Test:
        LEAKS[test.__name__] = where
        return test

    return decorate


def fail() -> NoReturn:
    raise ValueError(TOKEN)


def fail_otherwise() -> NoReturn:
    try:
        fail()
    except ValueError as cause:
        raise FinchUnavailable("no answer") from cause


@found_in("log line of service_undefined")
def test_in_a_log_line() -> None:
    app.logger.debug(f"calling with {TOKEN}")


@found_in("log line of service_undefined")
def test_in_a_field_of_a_log_line() -> None:
    app.logger.info("calling", headers={"Authorization": f"Bearer {TOKEN}"})


@found_in("log line of service_undefined")
def test_in_the_error_that_a_log_line_is_about() -> None:
    try:
        fail()
    except ValueError:
        app.logger.exception("that went wrong")


@found_in("output")
def test_in_what_is_printed() -> None:
    print(base64.b64encode(f"{TOKEN}:".encode()).decode())


@found_in("captured output")
def test_in_what_a_test_captured(capsys: pytest.CaptureFixture[str]) -> None:
    sys.stderr.write(TOKEN.upper())
    assert capsys.readouterr().err


@found_in("output of ")
def test_in_what_a_process_prints() -> None:
    subprocess.run([sys.executable, "-c", f"print({TOKEN.encode().hex()!r})"], check=True, capture_output=True)  # noqa: S603


@found_in("error")
def test_in_an_error() -> None:
    fail()


@found_in("expected error")
def test_in_the_cause_of_an_error_that_is_expected() -> None:
    with pytest.raises(FinchUnavailable):
        fail_otherwise()


@found_in("answer of the function")
def test_in_an_answer(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    answer = {"statusCode": 200, "headers": {}, "body": json.dumps(TOKEN), "isBase64Encoded": False}
    monkeypatch.setattr(World, "http_api", SimpleNamespace(answer=lambda _: answer))
    answered(world, proxy_event("GET", "/jobs/automated"))


@found_in("error out of the function")
def test_in_an_error_of_the_function(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setattr(World, "http_api", SimpleNamespace(answer=lambda _: fail()))
    with pytest.raises(ValueError, match=TOKEN):
        answered(world, proxy_event("GET", "/jobs/automated"))


@found_in("request PutItem")
def test_in_a_record(world: World) -> None:
    keep(world)


@found_in("request StartExecution")
def test_in_the_input_of_an_execution(world: World) -> None:
    start(world)


@found_in("request PutEvents")
def test_in_an_event(world: World) -> None:
    announce(world)


@found_in("what Finch saw")
def test_in_what_finch_is_sent(world: World) -> None:
    with pytest.raises(JobNotFound):
        Finch(world.sandbox.url).job(world.sandbox.tokens["acme"], CALLER_TOKENS["acme"])


@found_in("execution and its history")
def test_in_the_history_of_an_execution(workflow: Workflow) -> None:
    def careless(event: dict[str, Any]) -> Any:
        return workflow.handle(event) | {"token": TOKEN}

    workflow.function = careless
    workflow.follow()


@found_in("record")
def test_in_a_record_of_a_stack(world: World, tmp_path: Path) -> None:
    with searched(stack_of(world, tmp_path)):
        unseen(keep, world)


@found_in("history of execution careless")
def test_in_an_execution_of_a_stack(world: World, tmp_path: Path) -> None:
    with searched(stack_of(world, tmp_path)):
        unseen(start, world)


@found_in("event on the bus")
def test_in_an_event_of_a_stack(world: World, tmp_path: Path) -> None:
    with searched(stack_of(world, tmp_path)):
        unseen(announce, world)


@found_in("log group careless")
def test_in_a_log_of_a_stack(world: World, tmp_path: Path) -> None:
    stack = stack_of(world, tmp_path)
    logs = stack.session.client("logs", endpoint_url=stack.aws_endpoint_url)
    with searched(stack):
        logs.create_log_group(logGroupName="careless")
        logs.create_log_stream(logGroupName="careless", logStreamName="one")
        logs.put_log_events(
            logGroupName="careless", logStreamName="one", logEvents=[{"timestamp": 1_700_000_000_000, "message": TOKEN}]
        )
    logs.delete_log_group(logGroupName="careless")


@found_in("answers.jsonl")
def test_in_an_answer_of_a_stack(world: World, tmp_path: Path) -> None:
    stack = stack_of(world, tmp_path)
    with searched(stack):
        (stack.folder / "answers.jsonl").write_text(json.dumps({"body": TOKEN}))


@found_in("what Finch saw")
def test_in_what_a_stack_sends_to_finch(world: World, tmp_path: Path) -> None:
    with searched(stack_of(world, tmp_path)):
        urllib3.request("GET", f"{world.sandbox.url}/jobs/automated?offset={TOKEN}")


@found_in("output")
def test_of_a_credential_without_the_mark() -> None:
    print(canaries.plant("made-by-the-code-under-test"))


def test_in_no_place_but_the_secret(world: World) -> None:
    world.put_secret(world.sandbox.tokens)


def keep(world: World) -> None:
    world.aws.dynamodb.put_item(TableName=world.table, Item={"pk": {"S": "acme"}, "sk": {"S": TOKEN}})


def start(world: World) -> None:
    order = json.dumps({"token": TOKEN})
    world.aws.stepfunctions.start_execution(stateMachineArn=world.aws.state_machine_arn, name="careless", input=order)


def announce(world: World) -> None:
    detail = json.dumps({"token": TOKEN})
    world.aws.events.put_events(Entries=[{"Source": "finch-sync", "DetailType": "Test", "Detail": detail}])


def unseen(leak: Any, world: World) -> None:
    """Leak as a process does that nobody looks into."""
    before = canaries.taken()
    leak(world)
    canaries.taken()
    assert before == []


def stack_of(world: World, folder: Path) -> Stack:
    """As much of a stack as the search at its end needs."""
    for log in ("emulator.log", "deploy.log", "answers.jsonl"):
        (folder / log).touch()
    return Stack(
        api_url="", connections={}, finch_url=world.sandbox.url, finch_tokens={}, webhook_secrets=(),
        aws_endpoint_url=world.aws.endpoint_url, region="us-east-1", table_name=world.table,
        state_machine_arn=world.aws.state_machine_arn, function_name="", rule_name="", sweep_rule_name="",
        dead_letter_queue_url="", connections_secret_arn=world.secret, folder=folder,
    )  # fmt: skip
