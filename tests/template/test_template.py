"""What the template promises and an emulator does not notice."""

from collections.abc import Iterator
from typing import Any

import pytest

from finch_sync.finch import ENQUEUE_TIMEOUT, LOOK_TIMEOUT
from finch_sync.ledger import LEASE, SETTLE
from finch_sync.settings import Settings
from tests.template.shipped import definition, function, properties, resources, template

API_GATEWAY_SECONDS = 29
"""How long API Gateway waits for an integration (API Gateway guide, "Quotas", integration timeout)."""


def test_the_records_outlive_the_stack() -> None:
    tables = resources("AWS::DynamoDB::Table")
    secrets = resources("AWS::SecretsManager::Secret")
    assert tables
    assert secrets
    for resource in [*tables.values(), *secrets.values()]:
        assert resource["DeletionPolicy"] == "Retain"
        assert resource["UpdateReplacePolicy"] == "Retain"


def test_the_table_is_on_demand_restorable_and_forgets() -> None:
    [table] = [each["Properties"] for each in resources("AWS::DynamoDB::Table").values()]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert "ProvisionedThroughput" not in table
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_every_log_group_forgets_and_every_log_has_a_group() -> None:
    groups = resources("AWS::Logs::LogGroup")
    assert all(group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())

    [destination] = properties("SyncJobStateMachine")["Logging"]["Destinations"]
    used = {
        function()["LoggingConfig"]["LogGroup"]["Ref"],
        properties("Api")["AccessLogSetting"]["DestinationArn"]["Fn::GetAtt"][0],
        destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0],
    }
    assert used == set(groups)


def test_the_state_machine_logs_no_data() -> None:
    logging = properties("SyncJobStateMachine")["Logging"]
    assert logging["Level"] == "ALL"
    assert logging["IncludeExecutionData"] is False


def test_every_asynchronous_path_ends_in_the_dead_letter_queue() -> None:
    queue = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    events = function()["Events"]
    by_rule = {name: event for name, event in events.items() if event["Type"] != "Api"}
    assert {event["Type"] for event in by_rule.values()} == {"Schedule", "EventBridgeRule"}
    for event in by_rule.values():
        assert event["Properties"]["DeadLetterConfig"] == {"Arn": queue}
        assert {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"} <= set(event["Properties"]["RetryPolicy"])

    on_failure = function()["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert on_failure == {"Type": "SQS", "Destination": queue}


def test_the_rules_may_send_to_the_dead_letter_queue() -> None:
    policy = properties("DeadLetterQueuePolicy")
    assert policy["Queues"] == [{"Ref": "DeadLetterQueue"}]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    assert statement["Condition"], "any rule of any account could send"


def test_dead_letters_are_kept_as_long_as_a_queue_can() -> None:
    assert properties("DeadLetterQueue")["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_deaths_of_executions_reach_the_function() -> None:
    pattern = function()["Events"]["ExecutionEnded"]["Properties"]["Pattern"]
    assert pattern["source"] == ["aws.states"]
    assert pattern["detail-type"] == ["Step Functions Execution Status Change"]
    assert set(pattern["detail"]["status"]) == {"FAILED", "TIMED_OUT", "ABORTED"}
    # The execution's machine is this stack's: the rule's, the function's and the machine's own name are spelled alike.
    [machine] = pattern["detail"]["stateMachineArn"]
    variables = function()["Environment"]["Variables"]
    assert machine == variables["STATE_MACHINE_ARN"]
    assert machine["Fn::Sub"].endswith(f":stateMachine:{properties('SyncJobStateMachine')['Name']['Fn::Sub']}")


def test_the_sweep_runs_with_the_input_that_the_function_knows() -> None:
    sweep = function()["Events"]["Sweep"]["Properties"]
    assert sweep["Input"] == '{"sweep": {}}'
    assert sweep["Schedule"] == "rate(1 minute)"


def test_the_api_is_throttled() -> None:
    [everything] = properties("Api")["MethodSettings"]
    assert (everything["ResourcePath"], everything["HttpMethod"]) == ("/*", "*")
    assert 0 < everything["ThrottlingRateLimit"] <= everything["ThrottlingBurstLimit"]


def test_the_api_has_the_documented_endpoints_and_finchs_webhooks() -> None:
    routes = {
        (event["Properties"]["Method"], event["Properties"]["Path"])
        for event in function()["Events"].values()
        if event["Type"] == "Api"
    }
    assert routes == {
        ("ANY", "/sandbox/jobs"),
        ("ANY", "/jobs/automated/{job_id}"),
        ("ANY", "/jobs/automated"),
        ("ANY", "/webhooks/finch"),
    }


def test_a_worker_is_dead_before_its_request_counts_as_abandoned() -> None:
    assert function()["Timeout"] + SETTLE.total_seconds() <= LEASE.total_seconds()


def test_a_poll_ends_before_the_state_machine_gives_it_up() -> None:
    assert function()["Timeout"] < definition()["States"]["Poll"]["TimeoutSeconds"]


def test_the_longest_answer_of_finch_is_shorter_than_api_gateway_waits() -> None:
    # A request that first has to find out about an earlier one looks at Finch, then POSTs.
    together = 0.0
    for timeout in (ENQUEUE_TIMEOUT, LOOK_TIMEOUT):
        assert isinstance(timeout.connect_timeout, float)
        assert isinstance(timeout.read_timeout, float)
        together += timeout.connect_timeout + timeout.read_timeout
    assert together < API_GATEWAY_SECONDS
    assert together < function()["Timeout"]


def test_the_environment_is_what_the_settings_read() -> None:
    variables = function()["Environment"]["Variables"]
    of_libraries = {"AWS_ENDPOINT_URL"} | {name for name in variables if name.startswith("POWERTOOLS_")}
    assert set(variables) - of_libraries == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", template()["Parameters"])
def test_a_parameter_is_described_and_bounded(name: str) -> None:
    parameter: dict[str, Any] = template()["Parameters"][name]
    assert parameter["Description"].endswith(".")
    assert "Default" in parameter
    bounds = {"AllowedPattern", "AllowedValues", "MaxLength"}
    assert bounds & set(parameter) or {"MinValue", "MaxValue"} <= set(parameter)


@pytest.mark.parametrize(
    ("name", "setting"), [("JobDeadlineSeconds", "job_deadline_seconds"), ("FirstJobSeconds", "first_job_seconds")]
)
def test_a_parameter_in_seconds_allows_what_the_settings_allow(name: str, setting: str) -> None:
    parameter = template()["Parameters"][name]
    [lowest] = [each.ge for each in Settings.model_fields[setting].metadata if hasattr(each, "ge")]
    [highest] = [each.le for each in Settings.model_fields[setting].metadata if hasattr(each, "le")]
    assert (parameter["MinValue"], parameter["MaxValue"]) == (lowest, highest)


def allowances(value: object) -> Iterator[dict[str, Any]]:
    """Give every statement of a policy that allows something, wherever in the template it stands."""
    if isinstance(value, dict):
        if value.get("Effect") == "Allow":
            yield value
        for child in value.values():
            yield from allowances(child)
    elif isinstance(value, list):
        for child in value:
            yield from allowances(child)


def test_nothing_may_be_done_to_everything() -> None:
    statements = list(allowances(template()["Resources"]))
    assert statements
    for statement in statements:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions), statement
        if statement.get("Resource") == "*":
            # AWS grants the delivery of logs and traces on everything only (Step Functions guide, "Logging", "X-Ray").
            assert {action.partition(":")[0] for action in actions} <= {"logs", "xray"}, statement


@pytest.mark.parametrize("name", template()["Outputs"])
def test_an_output_is_described(name: str) -> None:
    assert template()["Outputs"][name]["Description"].endswith(".")
