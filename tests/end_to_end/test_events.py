"""Every payload in events/, answered by the bundle as it is deployed: trimmed and compiled."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from finch_sandbox.server import running_sandbox
from finch_sandbox.settings import Settings
from finch_sync.triggers import AnyTrigger, parse
from local_aws import event_answers, event_premises
from local_aws.finch import Finch
from local_aws.stack import Stack
from tests import canaries
from tests.written_down import searched_stack

pytestmark = pytest.mark.xdist_group("artifact")

FILES = sorted(event_premises.EVENTS.glob("*.json"))


def invoked(stack: Stack, file: Path) -> Any:
    functions = stack.session.client("lambda", endpoint_url=stack.aws_endpoint_url)
    invocation = functions.invoke(FunctionName=stack.function_name, Payload=file.read_bytes())
    answer: Any = json.loads(invocation["Payload"].read())
    assert "FunctionError" not in invocation, answer
    return answer


@pytest.fixture(scope="module")
def prepared() -> Iterator[Stack]:
    canaries.plant(event_premises.caller_token())
    settings = Settings(allowed_refreshes=100, pending_seconds=0.5, in_progress_seconds=1)
    with running_sandbox(settings) as sandbox, searched_stack(Finch(sandbox.url, sandbox.tokens)) as stack:
        event_premises.make_true(stack, sandbox)
        # Another timeout means new environments, which have not read the secret as it was before.
        functions = stack.session.client("lambda", endpoint_url=stack.aws_endpoint_url)
        functions.update_function_configuration(FunctionName=stack.function_name, Timeout=59)
        yield stack


def test_there_is_a_payload_of_each_kind() -> None:
    assert {type(parse(json.loads(file.read_text()))) for file in FILES} == set(get_args(AnyTrigger))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_payload_is_answered_as_it_must_be(prepared: Stack, file: Path) -> None:
    assert event_answers.mistake(file.stem, invoked(prepared, file)) is None
