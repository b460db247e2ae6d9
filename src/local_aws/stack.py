"""A whole local stack for as long as a context lasts: Finch sandbox, emulator, the template deployed, a secret seeded.

The commands, the tests and the benchmarks all start their stacks here.
"""

import secrets
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import boto3

from local_aws import processes, sam
from local_aws.connections import Connection, for_tokens, secret_string
from local_aws.emulator import REGION, running_emulator, session
from local_aws.environments import LOCAL
from local_aws.finch import Finch, Sandbox, running_sandbox, send_webhooks
from local_aws.interpreter import function_interpreter

_STAGE = "v1"
_FUNCTION_LOG_GROUP = f"/aws/lambda/{sam.STACK_NAME}-sync"
_FIRST_ANSWER_SECONDS = 60.0
_SANDBOX_JOB_SECONDS = 6
"""What a job of the local sandbox takes, unless its settings say otherwise."""


@dataclass(frozen=True)
class Stack:
    """Where everything of a running stack is, and the keys to it."""

    api_url: str
    connections: dict[str, str] = field(repr=False)  # name -> caller token
    finch_url: str
    finch_tokens: dict[str, str] = field(repr=False)  # name -> Finch token
    webhook_secrets: tuple[str, ...] = field(repr=False)  # what Finch signs its webhooks with; none if it sends none
    aws_endpoint_url: str
    region: str
    table_name: str
    state_machine_arn: str
    function_name: str
    rule_name: str
    sweep_rule_name: str
    dead_letter_queue_url: str
    connections_secret_arn: str
    folder: Path  # emulator.log, deploy.log, sandbox.log, answers.jsonl: what each invocation returned

    @property
    def session(self) -> boto3.Session:
        """A session for the emulator; its clients need `endpoint_url=stack.aws_endpoint_url`."""
        return session()

    def function_log(self, since_ms: int = 0) -> list[str]:
        """Return what the function has logged, oldest first."""
        logs = self.session.client("logs", endpoint_url=self.aws_endpoint_url)
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=_FUNCTION_LOG_GROUP, startTime=since_ms)
        events = sorted((event for page in pages for event in page["events"]), key=lambda event: event["timestamp"])
        return [event["message"].rstrip() for event in events]


@contextmanager
def running_stack(
    finch: Finch | Sandbox = Sandbox(),  # noqa: B008 - it is frozen
    *,
    parameters: Mapping[str, str] | None = None,
    environments: int = 4,
    host: str = "127.0.0.1",
    before_aws: Callable[[str], str] | None = None,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Iterator[Stack]:
    """Start a stack of its own, and end whatever was started, also after a failure.

    Args:
        finch: the Finch to follow; a `Sandbox` is started and ended with the stack.
        parameters: the template's parameters, over those a local stack needs.
        environments: how many functions may run at once.
        host: the address that what is started listens on.
        before_aws: told where the AWS is, gives the address that the function uses instead: something in between.
        on_step: told what is being done next.

    Raises:
        SetupError: a tool could not be installed.
        ProcessError: a server did not get ready.
        SamError: the template could not be built or deployed.
    """
    folder = LOCAL / "stacks" / secrets.token_hex(4)
    folder.mkdir(parents=True)
    interpreter = function_interpreter()
    with ExitStack() as running:
        running.push(partial(_tidy, folder))
        webhooks = isinstance(finch, Sandbox) and finch.webhooks
        expected = {"FirstJobSeconds": str(_SANDBOX_JOB_SECONDS)} if isinstance(finch, Sandbox) else {}
        if isinstance(finch, Sandbox):
            on_step("starting the Finch sandbox")
            finch = running.enter_context(running_sandbox(finch, folder, host))
        on_step("starting the local AWS")
        endpoint_url = running.enter_context(running_emulator(folder, interpreter, environments, host))
        between = {} if before_aws is None else {"AwsEndpointUrl": before_aws(endpoint_url)}
        on_step(f"building the function for {interpreter.runtime}")
        template = sam.build(interpreter)
        on_step("deploying template.yaml")
        outputs = sam.deploy(
            template,
            endpoint_url,
            {
                "FinchBaseUrl": finch.url,
                "Runtime": interpreter.runtime,
                "StageName": _STAGE,
                **expected,
                **between,
                **(parameters or {}),
            },
            folder / "deploy.log",
        )
        connections = for_tokens(finch.tokens)
        webhooks_url = f"{_api_url(endpoint_url, outputs)}/webhooks/finch"
        webhook_secrets = [send_webhooks(finch, webhooks_url)] if webhooks else []
        stack = _described(finch, connections, webhook_secrets, endpoint_url, outputs, folder)
        stack.session.client("secretsmanager", endpoint_url=endpoint_url).put_secret_value(
            SecretId=stack.connections_secret_arn, SecretString=secret_string(connections, webhook_secrets)
        )
        on_step("waiting for the first answer")
        _await_answer(stack)
        yield stack


def _tidy(folder: Path, failure: type[BaseException] | None, *_: object) -> None:
    """Leave nothing behind, but the logs after a failure; an interruption is none."""
    failed = failure is not None and issubclass(failure, Exception)
    shutil.rmtree(folder / "tmp" if failed else folder, ignore_errors=True)


def _described(
    finch: Finch,
    connections: Sequence[Connection],
    webhook_secrets: Sequence[str],
    endpoint_url: str,
    outputs: Mapping[str, str],
    folder: Path,
) -> Stack:
    return Stack(
        api_url=_api_url(endpoint_url, outputs),
        connections={each.name: each.caller_token for each in connections},
        finch_url=finch.url,
        finch_tokens=dict(finch.tokens),
        webhook_secrets=tuple(webhook_secrets),
        aws_endpoint_url=endpoint_url,
        region=REGION,
        table_name=outputs["TableName"],
        state_machine_arn=outputs["StateMachineArn"],
        function_name=outputs["FunctionName"],
        rule_name=outputs["ScheduleRuleName"],
        sweep_rule_name=outputs["SweepRuleName"],
        dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
        connections_secret_arn=outputs["ConnectionsSecretArn"],
        folder=folder,
    )


def _api_url(endpoint_url: str, outputs: Mapping[str, str]) -> str:
    return f"{endpoint_url}/_aws/execute-api/{outputs['ApiId']}/{_STAGE}"


def _await_answer(stack: Stack) -> None:
    """Ask for a list of jobs without a token: a 401 by the function itself shows that everything before it works."""
    request = urllib.request.Request(f"{stack.api_url}/jobs/automated")  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=_FIRST_ANSWER_SECONDS):  # noqa: S310 - loopback
            return
    except urllib.error.HTTPError as answer:
        if answer.code < 500:
            return
        said = answer.read().decode(errors="replace")
        raise processes.ProcessError(
            f"the API answers {answer.code}: {said}\n{processes.tail(stack.folder / 'emulator.log')}"
        ) from answer
