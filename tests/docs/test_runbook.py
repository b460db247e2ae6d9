"""From an alarm to what to do, in one hop; and its commands, run."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final
from uuid import uuid4

import botocore.session
import pytest
from botocore import xform_name

from finch_sync.jobs import Tracking
from finch_sync.store import Store
from finch_sync_cli.stacks import STACK_NAME
from local_aws.progress import jobs_of
from local_aws.stack import Stack
from tests.docs.shell import PROJECT, block_with, blocks
from tests.stack import Place
from tests.template.shipped import resources, template

RUNBOOK = "docs/runbook.md"

BY_HAND = {("logs", "tail")}
"""What only the AWS CLI has: operations of its own, in no model."""


def headings() -> list[str]:
    return re.findall(r"^##? (.+)$", (PROJECT / RUNBOOK).read_text(), re.MULTILINE)


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def alarms() -> dict[str, str]:
    """The description of each alarm, by its name without the stack's."""
    found = [each["Properties"] for each in resources("AWS::CloudWatch::Alarm").values()]
    return {each["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): each["AlarmDescription"] for each in found}


def test_every_alarm_names_its_own_section() -> None:
    for name, description in alarms().items():
        assert description.endswith(f" Runbook - {RUNBOOK}#{name}")


def test_every_alarm_has_a_section_that_says_what_it_means_how_to_look_and_what_to_do() -> None:
    text = (PROJECT / RUNBOOK).read_text()
    for name in alarms():
        section = re.search(rf"^## {name}\n(.*?)(?=^##? )", text, re.MULTILINE | re.DOTALL)
        assert section is not None, name
        for part in ("**What it means.**", "**How to look.**", "**What to do.**"):
            assert part in section[1], (name, part)


def test_the_table_of_alarms_is_whole_and_names_no_other() -> None:
    listed = re.findall(r"^\| \[([a-z-]+)\]\(#\1\)", (PROJECT / RUNBOOK).read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(alarms())


@pytest.mark.parametrize("document", ["README.md", RUNBOOK, "docs/events.md"])
def test_every_link_leads_somewhere(document: str) -> None:
    text = (PROJECT / document).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, fragment = target.partition("#")
        file = (PROJECT / document).parent / path if path else PROJECT / document
        assert file.exists(), target
        if fragment:
            found = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert fragment in map(anchor, found), target


@pytest.mark.parametrize("document", ["README.md", RUNBOOK, "docs/events.md"])
def test_every_command_of_aws_exists_with_its_options(document: str) -> None:
    session = botocore.session.get_session()
    for block in blocks(document):
        joined = block.replace("\\\n", " ")
        for service, operation, rest in re.findall(r"\baws ([a-z]+) ([a-z-]+)([^\n|]*)", joined):
            if (service, operation) in BY_HAND or operation == "wait":
                continue
            model = session.get_service_model("stepfunctions" if service == "stepfunctions" else service)
            operations = {xform_name(name, "-"): name for name in model.operation_names}
            assert operation in operations, f"aws {service} {operation}"
            shape = model.operation_model(operations[operation]).input_shape
            known = {xform_name(name, "-") for name in (shape.members if shape else ())}
            options = set(re.findall(r"\s--([a-z][a-z-]+)", rest))
            assert options <= known | {"query", "output", "max-items"}, f"aws {service} {operation}"


@pytest.mark.parametrize("document", ["README.md", RUNBOOK, "docs/events.md"])
def test_every_command_is_well_formed_shell(document: str) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    for block in blocks(document):
        filled_in = re.sub(r"<[A-Za-z][^<>]*>", "X", block)  # for the reader to fill in
        checked = subprocess.run([bash, "-n"], input=filled_in, capture_output=True, text=True, check=False)  # noqa: S603
        assert checked.returncode == 0, f"{block}\n{checked.stderr}"


def test_every_output_that_a_command_asks_for_is_one_of_the_stack() -> None:
    asked = set(re.findall(r"\$\(output (\w+)\)", (PROJECT / RUNBOOK).read_text()))
    assert asked
    assert asked <= set(template()["Outputs"])


class Operator:
    """Somebody who pastes the runbook's commands."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        tools = folder / "bin"
        tools.mkdir()
        aws = tools / "aws"
        aws.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("aws.py")}" "$@"\n')
        aws.chmod(0o755)
        self._folder = folder
        self._environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": stack.aws_endpoint_url,
            "AWS_DEFAULT_REGION": stack.region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def paste(self, text: str, **variables: str) -> str:
        """Run a block after the runbook's first one, with what it leaves to the reader filled in."""
        text = re.sub(r"^[A-Z_]+=\.\.\..*$|^CONNECTION=acme JOB_ID=\.\.\.$", "", text, flags=re.MULTILINE)
        script = f"set -e -o pipefail\n{blocks(RUNBOOK)[0]}\n{text}"
        done = subprocess.run(  # noqa: S603 - this project's own document
            ["bash", "-c", script],  # noqa: S607
            env=self._environment | variables,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def operator(stack: Stack, tmp_path: Path) -> Operator:
    return Operator(stack, tmp_path)


def test_the_runbook_is_for_the_stacks_own_name() -> None:
    assert f"export STACK={STACK_NAME}\n" in blocks(RUNBOOK)[0]


@pytest.mark.xdist_group("stack")
def test_the_kill_switch_stops_all_and_lets_go_again(operator: Operator, stack: Stack) -> None:
    events = stack.session.client("events", endpoint_url=stack.aws_endpoint_url)
    functions = stack.session.client("lambda", endpoint_url=stack.aws_endpoint_url)
    before = events.describe_rule(Name=stack.rule_name)["State"]
    try:
        operator.paste(block_with(RUNBOOK, "disable-rule"))
        operator.paste(block_with(RUNBOOK, "put-function-concurrency"))
        assert {events.describe_rule(Name=name)["State"] for name in (stack.rule_name, stack.sweep_rule_name)} == {
            "DISABLED"
        }
        with pytest.raises(functions.exceptions.TooManyRequestsException):
            functions.invoke(FunctionName=stack.function_name, Payload=b'{"sweep": {}}')
    finally:
        operator.paste(block_with(RUNBOOK, "delete-function-concurrency"))
        if before == "DISABLED":
            events.disable_rule(Name=stack.rule_name)
    assert events.describe_rule(Name=stack.sweep_rule_name)["State"] == "ENABLED"
    assert "FunctionError" not in functions.invoke(FunctionName=stack.function_name, Payload=b'{"sweep": {}}')


@pytest.mark.xdist_group("stack")
def test_dead_letters_are_replayed_and_gone(operator: Operator, stack: Stack, place: Place) -> None:
    queue = stack.session.client("sqs", endpoint_url=stack.aws_endpoint_url)
    order = {"enqueue": {"idempotency_key": f"dead-{uuid4()}", "connections": [place.connection]}}
    for body in (order, {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": order}):
        queue.send_message(QueueUrl=stack.dead_letter_queue_url, MessageBody=json.dumps(body))

    operator.paste(block_with(RUNBOOK, "receive()"))

    name: Final = "ApproximateNumberOfMessages"
    left = queue.get_queue_attributes(QueueUrl=stack.dead_letter_queue_url, AttributeNames=[name])["Attributes"]
    assert left[name] == "0"
    until = time.monotonic() + 30
    while not place.jobs_made():
        assert time.monotonic() < until, "no letter reached the function"
        time.sleep(0.2)
    assert len(place.jobs_made()) == 1


@pytest.mark.xdist_group("stack")
def test_a_job_that_was_lost_is_followed_again(operator: Operator, stack: Stack, place: Place) -> None:
    functions = stack.session.client("lambda", endpoint_url=stack.aws_endpoint_url)
    order = {"enqueue": {"idempotency_key": f"lost-{uuid4()}", "connections": [place.connection]}}
    functions.invoke(FunctionName=stack.function_name, Payload=json.dumps(order).encode())
    [job] = jobs_of(stack, place.connection)
    until = time.monotonic() + 60
    while not (job := jobs_of(stack, place.connection)[0]).ended:
        assert time.monotonic() < until
        time.sleep(0.5)
    table = stack.session.client("dynamodb", endpoint_url=stack.aws_endpoint_url)
    table.update_item(
        TableName=stack.table_name,
        Key={"pk": {"S": f"connection#{place.connection}"}, "sk": {"S": f"job#{job.job_id}"}},
        UpdateExpression="SET tracking = :lost, #status = :running, tracking_reason = :why",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":lost": {"S": "lost"}, ":running": {"S": "in_progress"}, ":why": {"S": "401"}},
    )

    again = block_with(RUNBOOK, "update-item")
    operator.paste(again, CONNECTION=place.connection, JOB_ID=job.job_id)

    record = Store(table, stack.table_name).job(place.connection, job.job_id)
    assert record is not None
    assert (record.tracking, record.tracking_reason, record.ended_at) == (Tracking.ACTIVE, None, None)
    functions.invoke(FunctionName=stack.function_name, Payload=b'{"sweep": {}}')
    until = time.monotonic() + 90
    while (record := Store(table, stack.table_name).job(place.connection, job.job_id)) is not None and (
        record.tracking is Tracking.ACTIVE
    ):
        assert time.monotonic() < until
        time.sleep(0.5)
    assert record is not None
    assert (record.tracking, record.status) == (Tracking.DONE, "complete")


@pytest.mark.xdist_group("stack")
def test_what_looks_works(operator: Operator, place: Place) -> None:
    for text in (
        "--filter-expression",
        'list-executions --state-machine-arn "$(output StateMachineArn)" --status-filter FAILED',
    ):
        operator.paste(block_with(RUNBOOK, text).partition("EXECUTION_ARN")[0])
    operator.paste(block_with(RUNBOOK, 'receive-message --queue-url "$(output'))
    operator.paste(
        block_with(RUNBOOK, 'get-item --table-name "$(output TableName)" \\\n'),
        CONNECTION=place.connection,
        JOB_ID="none",
    )
    open_work = block_with(RUNBOOK, "open_work")
    operator.paste(open_work[open_work.index("aws dynamodb") :])


@pytest.mark.xdist_group("stack")
def test_webhook_secrets_are_added_and_an_edit_of_the_secret_is_undone(operator: Operator, stack: Stack) -> None:
    secrets = stack.session.client("secretsmanager", endpoint_url=stack.aws_endpoint_url)

    def content() -> str:
        return secrets.get_secret_value(SecretId=stack.connections_secret_arn)["SecretString"]

    before = content()
    try:
        adding = block_with(RUNBOOK, "webhook_secrets").replace(
            "read -rs NEW_WEBHOOK_SECRET && export NEW_WEBHOOK_SECRET\n", ""
        )
        operator.paste(adding, NEW_WEBHOOK_SECRET="bmV3")
        assert json.loads(content())["webhook_secrets"][-1] == "bmV3"
        assert json.loads(content())["connections"] == json.loads(before)["connections"]
        operator.paste(block_with(RUNBOOK, "AWSPREVIOUS"))
        assert json.loads(content()) == json.loads(before)
    finally:
        secrets.put_secret_value(SecretId=stack.connections_secret_arn, SecretString=before)
