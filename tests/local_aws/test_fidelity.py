"""What the emulator must do as AWS documents it, because the stack's guarantees lean on it."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.local_aws.conftest import ENVIRONMENTS, ROLE, Aws, eventually, function_code

pytestmark = pytest.mark.xdist_group("emulator")


def task(aws: Aws, **more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": aws.function_arn, "Payload.$": "$"},
        "End": True,
        **more,
    }


def waiting(**more: Any) -> dict[str, Any]:
    return {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}, **more}


def status_events(aws: Aws, name: str, status: str) -> str:
    """Send a machine's status changes to a queue, and give its URL."""
    url, arn = aws.queue(name)
    events = aws.session.client("events", endpoint_url=aws.endpoint_url)
    pattern = {"source": ["aws.states"], "detail": {"status": [status], "stateMachineArn": [{"suffix": f":{name}"}]}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    return url


class TestFunctions:
    def test_an_exception_keeps_its_name_and_its_environment(self, aws: Aws) -> None:
        before = aws.invoke({})["pid"]
        assert aws.invoke({"fail": "no"})["errorType"] == "FinchUnavailable"
        assert aws.invoke({})["pid"] == before

    def test_no_more_run_at_once_than_are_allowed(self, aws: Aws) -> None:
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(aws.invoke, [{"seconds": 0.2}] * 6))
        assert len({answer["pid"] for answer in answers}) <= ENVIRONMENTS

    def test_the_endpoint_is_the_emulators_unless_the_function_names_another(self, aws: Aws) -> None:
        assert aws.invoke({})["environment"]["AWS_ENDPOINT_URL"] == aws.endpoint_url
        functions = aws.session.client("lambda", endpoint_url=aws.endpoint_url)
        runtime = functions.get_function_configuration(FunctionName="small")["Runtime"]
        functions.create_function(
            FunctionName="elsewhere",
            Runtime=runtime,
            Role=ROLE,
            Handler="small.handler",
            Code={"ZipFile": function_code()},
            Environment={"Variables": {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}},
        )
        assert aws.invoke({}, "elsewhere")["environment"]["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"

    def test_nothing_of_the_emulators_own_environment_reaches_a_function(self, aws: Aws) -> None:
        assert (
            not {"GATEWAY_PORT", "BIND_HOST", "VIRTUAL_ENV", "MINISTACK_REGION"} & aws.invoke({})["environment"].keys()
        )


class TestStepFunctions:
    def test_a_retry_matches_by_name_and_keeps_its_longest_delay(self, aws: Aws) -> None:
        retry = {
            "ErrorEquals": ["FinchUnavailable"],
            "IntervalSeconds": 30,
            "MaxDelaySeconds": 1,
            "JitterStrategy": "FULL",
            "MaxAttempts": 2,
        }
        arn = aws.machine("retries", {"StartAt": "Ask", "States": {"Ask": task(aws, Retry=[retry])}})
        states = aws.session.client("stepfunctions", endpoint_url=aws.endpoint_url)
        begun = time.monotonic()
        execution = states.start_execution(stateMachineArn=arn, input='{"fail": "no"}')["executionArn"]
        assert aws.ended(execution)["error"] == "FinchUnavailable"
        assert time.monotonic() - begun < 15
        history = states.get_execution_history(executionArn=execution)["events"]
        assert [event["type"] for event in history].count("TaskFailed") == 3

    def test_a_catch_matches_by_name(self, aws: Aws) -> None:
        caught = {"ErrorEquals": ["FinchUnavailable"], "ResultPath": "$.failure", "Next": "Caught"}
        states = {"Ask": task(aws, Catch=[caught]), "Caught": {"Type": "Succeed"}}
        arn = aws.machine("catches", {"StartAt": "Ask", "States": states})
        client = aws.session.client("stepfunctions", endpoint_url=aws.endpoint_url)
        execution = client.start_execution(stateMachineArn=arn, input='{"fail": "no"}')["executionArn"]
        ended = aws.ended(execution)
        assert ended["status"] == "SUCCEEDED"
        assert json.loads(ended["output"])["fail"] == "no"

    def test_a_stopped_execution_stays_aborted_and_says_so(self, aws: Aws) -> None:
        url = status_events(aws, "stopped", "ABORTED")
        arn = aws.machine("stopped", {"StartAt": "Ask", "States": {"Ask": task(aws, TimeoutSeconds=1)}})
        client = aws.session.client("stepfunctions", endpoint_url=aws.endpoint_url)
        execution = client.start_execution(stateMachineArn=arn, input='{"seconds": 5}')["executionArn"]
        eventually(lambda: in_task(client.get_execution_history(executionArn=execution)))
        client.stop_execution(executionArn=execution)
        assert aws.received(url)["detail"]["executionArn"] == execution
        # its task fails by its own timeout meanwhile
        time.sleep(2)
        assert client.describe_execution(executionArn=execution)["status"] == "ABORTED"

    def test_a_machines_timeout_ends_its_execution_and_is_told(self, aws: Aws) -> None:
        url = status_events(aws, "timed-out", "TIMED_OUT")
        arn = aws.machine("timed-out", waiting(TimeoutSeconds=1))
        client = aws.session.client("stepfunctions", endpoint_url=aws.endpoint_url)
        execution = client.start_execution(stateMachineArn=arn)["executionArn"]
        assert aws.ended(execution)["status"] == "TIMED_OUT"
        assert aws.received(url)["detail"]["executionArn"] == execution

    def test_starting_twice_is_one_execution(self, aws: Aws) -> None:
        arn = aws.machine("twice", waiting())
        client = aws.session.client("stepfunctions", endpoint_url=aws.endpoint_url)
        first = client.start_execution(stateMachineArn=arn, name="one", input='{"a": 1}')
        assert client.start_execution(stateMachineArn=arn, name="one", input='{"a": 1}') | same(first) == first
        with pytest.raises(client.exceptions.ExecutionAlreadyExists):
            client.start_execution(stateMachineArn=arn, name="one", input='{"a": 2}')
        client.stop_execution(executionArn=first["executionArn"])
        with pytest.raises(client.exceptions.ExecutionAlreadyExists):
            client.start_execution(stateMachineArn=arn, name="one", input='{"a": 1}')

    def test_names_and_input_are_checked(self, aws: Aws) -> None:
        arn = aws.machine("checked", waiting())
        client = aws.session.client("stepfunctions", endpoint_url=aws.endpoint_url)
        with pytest.raises(client.exceptions.InvalidName):
            client.start_execution(stateMachineArn=arn, name="no spaces")
        with pytest.raises(client.exceptions.InvalidExecutionInput):
            client.start_execution(stateMachineArn=arn, input="{")

    @pytest.mark.parametrize("seconds", ['"5"', "-1", "null", "1.5"])
    def test_a_wait_needs_a_number_of_seconds(self, aws: Aws, seconds: str) -> None:
        wait = {"Type": "Wait", "SecondsPath": "$.seconds", "End": True}
        arn = aws.machine("waits", {"StartAt": "Wait", "States": {"Wait": wait}})
        client = aws.session.client("stepfunctions", endpoint_url=aws.endpoint_url)
        execution = client.start_execution(stateMachineArn=arn, input=f'{{"seconds": {seconds}}}')["executionArn"]
        assert aws.ended(execution)["error"] == "States.Runtime"


class TestEvents:
    def test_a_rules_function_is_retried_and_then_its_event_is_a_dead_letter(self, aws: Aws) -> None:
        url, arn = aws.queue("dead-letters")
        functions = aws.session.client("lambda", endpoint_url=aws.endpoint_url)
        functions.put_function_event_invoke_config(
            FunctionName="small", MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}}
        )
        events = aws.session.client("events", endpoint_url=aws.endpoint_url)
        events.put_rule(Name="fails", EventPattern='{"source": ["test"]}')
        events.put_targets(
            Rule="fails", Targets=[{"Id": "function", "Arn": aws.function_arn, "Input": '{"fail": "late"}'}]
        )
        events.put_events(Entries=[{"Source": "test", "DetailType": "any", "Detail": "{}"}])
        letter = aws.received(url)
        assert letter["requestPayload"] == {"fail": "late"}


class TestTables:
    TEMPLATE = """
    Resources:
      Table:
        Type: AWS::DynamoDB::Table
        Properties:
          TableName: whole
          BillingMode: PAY_PER_REQUEST
          AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
          KeySchema: [{AttributeName: pk, KeyType: HASH}]
          TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
          PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}
    """

    def test_a_deployed_table_is_whole_and_lets_one_writer_win(self, aws: Aws) -> None:
        cloudformation = aws.session.client("cloudformation", endpoint_url=aws.endpoint_url)
        cloudformation.create_stack(StackName="table", TemplateBody=self.TEMPLATE)
        cloudformation.get_waiter("stack_create_complete").wait(StackName="table", WaiterConfig={"Delay": 1})
        dynamodb = aws.session.client("dynamodb", endpoint_url=aws.endpoint_url)

        ttl = dynamodb.describe_time_to_live(TableName="whole")["TimeToLiveDescription"]
        assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
        backups = dynamodb.describe_continuous_backups(TableName="whole")["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"

        def put(writer: int) -> bool:
            try:
                dynamodb.put_item(
                    TableName="whole",
                    Item={"pk": {"S": "one"}, "writer": {"N": str(writer)}},
                    ConditionExpression="attribute_not_exists(pk)",
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(put, range(32))) == 1


def in_task(history: Any) -> bool | None:
    return any(event["type"] == "TaskScheduled" for event in history["events"]) or None


def same(answer: Any) -> Any:
    """What differs between two answers to the same start: nothing but the transport."""
    return {"ResponseMetadata": answer["ResponseMetadata"]}
