"""Each alarm goes off when what it is for happens: here it happens, and the template's own numbers decide."""

import json
import time
from datetime import timedelta
from typing import Any, Final

import pytest

from finch_sandbox.faults import ErrorFault, ResetFault
from finch_sync.enqueue import NotYet
from finch_sync.ledger import Request, Source, fingerprint
from finch_sync.sweep import RESOLVED_WITHIN
from local_aws.stack import Stack
from tests.operate.shipped_alarms import STACK, Alarm, alarm
from tests.template.shipped import resources
from tests.workflow.stage import LOOKS, Event, Workflow
from tests.world import World

ALARMS = {
    "function-errors", "function-throttles", "executions-failed", "executions-timed-out", "dead-letters",
    "unresolved-outcomes", "action-required", "address-paused",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _deployed_as(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", STACK)


def test_every_alarm_is_provoked_here() -> None:
    names = {each["Properties"]["AlarmName"]["Fn::Sub"] for each in resources("AWS::CloudWatch::Alarm").values()}
    assert names == {f"${{AWS::StackName}}-{name}" for name in ALARMS}


def test_every_alarm_tells_somebody_if_there_is_somebody() -> None:
    for each in resources("AWS::CloudWatch::Alarm").values():
        assert each["Properties"]["AlarmActions"] == {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], []]}


@pytest.mark.parametrize("name", ["unresolved-outcomes", "action-required", "address-paused"])
def test_our_own_metrics_carry_the_stacks_name(name: str) -> None:
    assert alarm(name).dimensions == {"service": {"Ref": "AWS::StackName"}}


# --- what the code measures -------------------------------------------------------------------------------------------


def asked(world: World) -> Request:
    return Request(
        connection="acme",
        key="key:1",
        source=Source.HTTP,
        fingerprint=fingerprint({"type": "data_sync_all"}),
        created_at=world.clock(),
        due_at=world.clock(),
        base_url=None,
    )


@pytest.mark.xdist_group("emulator")
def test_an_outcome_that_stays_unknown(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.sandbox.add_fault(ErrorFault(answer="503_unavailable"), method="GET", times=None)
    world.sandbox.add_fault(ResetFault(when="after"), method="POST")
    assert isinstance(world.enqueuer.enqueue(asked(world)), NotYet)
    unresolved = alarm("unresolved-outcomes")

    world.clock.advance(seconds=120)
    world.sweeper(lambda: 60.0).run()
    assert not unresolved.fires(unresolved.values(capsys.readouterr().out))

    world.clock.advance(seconds=RESOLVED_WITHIN / timedelta(seconds=1))
    world.sweeper(lambda: 60.0).run()
    assert unresolved.fires(unresolved.values(capsys.readouterr().out))


@pytest.mark.parametrize("word", ["reauth_error", "permissions_error"])
def test_a_job_that_ends_with_a_task_for_a_person(
    workflow: Workflow, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    workflow.sandbox.patch(completion_status=word)
    workflow.follow()
    required = alarm("action-required")
    assert required.fires(required.values(capsys.readouterr().out))


@pytest.mark.parametrize("word", ["complete", "error"])
def test_any_other_end_needs_nobody(workflow: Workflow, capsys: pytest.CaptureFixture[str], word: str) -> None:
    workflow.sandbox.patch(completion_status=word)
    workflow.follow()
    required = alarm("action-required")
    assert not required.fires(required.values(capsys.readouterr().out))


def test_the_address_is_blocked(workflow: Workflow, capsys: pytest.CaptureFixture[str]) -> None:
    workflow.sandbox.add_fault(ErrorFault(answer="429_ip", retry_after="3600"), path=LOOKS)
    workflow.follow()
    paused = alarm("address-paused")
    assert paused.fires(paused.values(capsys.readouterr().out))


# --- what AWS measures ------------------------------------------------------------------------------------------------


def test_a_job_that_can_no_longer_be_followed(workflow: Workflow) -> None:
    workflow.sandbox.add_fault(ErrorFault(answer="403_insufficient_scope"), path=LOOKS, times=None)
    statuses = [workflow.follow().execution.status]
    assert counted(alarm("executions-failed"), ("AWS/States", "ExecutionsFailed"), statuses.count("FAILED"))


def test_a_job_whose_deadline_passes(workflow: Workflow) -> None:
    workflow.deploy(job_deadline_seconds=60)
    workflow.sandbox.patch(in_progress_seconds=3600)
    statuses = [workflow.follow().execution.status]
    assert counted(alarm("executions-failed"), ("AWS/States", "ExecutionsFailed"), statuses.count("FAILED"))


def test_a_job_that_ends_in_error_is_no_failed_execution(workflow: Workflow) -> None:
    workflow.sandbox.patch(completion_status="error")
    statuses = [workflow.follow().execution.status]
    assert not counted(alarm("executions-failed"), ("AWS/States", "ExecutionsFailed"), statuses.count("FAILED"))


def test_an_execution_at_its_backstop(workflow: Workflow) -> None:
    workflow.deploy(job_deadline_seconds=86400)

    def breaks(event: Event) -> Any:
        if "poll" in event:
            workflow.clock.advance(seconds=3600)  # a day of looks, in a few of them
            raise MemoryError
        return workflow.handle(event)

    workflow.function = breaks
    (job_id,) = workflow.start()
    statuses = [workflow.ended(job_id).status]
    assert counted(alarm("executions-timed-out"), ("AWS/States", "ExecutionsTimedOut"), statuses.count("TIMED_OUT"))


def test_one_bad_moment_of_finch_is_no_alarm_and_an_outage_is_one(workflow: Workflow) -> None:
    errors: list[float] = []

    def counting(event: Event) -> Any:
        try:
            return workflow.handle(event)
        except Exception:
            errors.append(workflow.clock.timestamp())
            raise

    workflow.function = counting
    workflow.sandbox.add_fault(ErrorFault(answer="503_unavailable"), path=LOOKS)
    workflow.follow()
    failing = alarm("function-errors")
    assert failing.metric == ("AWS/Lambda", "Errors")
    assert len(errors) == 1
    assert not failing.fires(*by_period(errors, failing))

    workflow.sandbox.add_fault(ErrorFault(answer="503_unavailable"), path=LOOKS, times=60)
    workflow.sandbox.patch(in_progress_seconds=3600)
    workflow.follow()
    assert any(
        failing.fires(*by_period(errors, failing)[: upto + 1]) for upto in range(len(by_period(errors, failing)))
    )


def counted(on: Alarm, metric: tuple[str, str], times: int) -> bool:
    """Whether an alarm on this metric of AWS's fires when what it counts happened so many times."""
    assert on.metric == metric
    return on.fires([1.0] * times)


def by_period(moments: list[float], of: Alarm) -> list[list[float]]:
    """One for each moment, in periods of the alarm's length."""
    length = of.properties["Period"]
    first, last = int(moments[0] // length), int(moments[-1] // length)
    return [[1.0 for moment in moments if moment // length == period] for period in range(first, last + 1)]


@pytest.mark.xdist_group("stack")
def test_a_function_that_may_not_run(stack: Stack) -> None:
    client = stack.session.client("lambda", endpoint_url=stack.aws_endpoint_url)
    client.put_function_concurrency(FunctionName=stack.function_name, ReservedConcurrentExecutions=0)
    throttled = 0
    try:
        client.invoke(FunctionName=stack.function_name, Payload=b'{"sweep": {}}')
    except client.exceptions.TooManyRequestsException:
        throttled += 1
    finally:
        client.delete_function_concurrency(FunctionName=stack.function_name)
    assert counted(alarm("function-throttles"), ("AWS/Lambda", "Throttles"), throttled)


@pytest.mark.xdist_group("stack")
def test_an_event_that_cannot_be_handled(stack: Stack) -> None:
    queue = stack.session.client("sqs", endpoint_url=stack.aws_endpoint_url)
    client = stack.session.client("lambda", endpoint_url=stack.aws_endpoint_url)
    dead = alarm("dead-letters")
    assert dead.metric == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert dead.dimensions == {"QueueName": {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}}

    def visible() -> float:
        name: Final = "ApproximateNumberOfMessages"
        told = queue.get_queue_attributes(QueueUrl=stack.dead_letter_queue_url, AttributeNames=[name])
        return float(told["Attributes"][name])

    assert not dead.fires([visible()])
    unreadable = json.dumps({"nobody": "knows"}).encode()
    client.invoke(FunctionName=stack.function_name, InvocationType="Event", Payload=unreadable)
    until = time.monotonic() + 60
    while not dead.fires([visible()]):
        assert time.monotonic() < until, "no dead letter came"
        time.sleep(0.5)
    letters = queue.receive_message(QueueUrl=stack.dead_letter_queue_url, MaxNumberOfMessages=10)["Messages"]
    for letter in letters:
        queue.delete_message(QueueUrl=stack.dead_letter_queue_url, ReceiptHandle=letter["ReceiptHandle"])
    assert [json.loads(letter["Body"])["requestPayload"] for letter in letters] == [{"nobody": "knows"}]
