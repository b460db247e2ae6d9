"""Who may do what: the policies hold what the code calls and what AWS does for it, and nothing else."""

import ast
import inspect
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

import finch_sync
from finch_sandbox.faults import ErrorFault, ResetFault
from finch_sandbox.server import Sandbox
from finch_sync import app
from finch_sync.announcements import Announcer
from finch_sync.connections import Connections
from finch_sync.executions import Executions, first_input
from finch_sync.finch import Finch
from finch_sync.ledger import Request, Source
from finch_sync.store import Store
from finch_sync.tracking import Decision, TrackingState
from finch_sync.triggers import HttpRequest, parse
from finch_sync.waiting import WaitingRoom
from tests.template.shipped import PROJECT, definition, function, properties, resources
from tests.world import CALLER_TOKENS, Aws, Clock, World, aws

Permission = tuple[str, str]
"""An action, and the resource that it is done to; in a policy a pattern of resources."""

BUS = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBusName}"

LOGS_AND_TRACES = {"logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups",
                   "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries",
                   "logs:PutResourcePolicy", "logs:UpdateLogDelivery", "xray:GetSamplingRules",
                   "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}  # fmt: skip
"""What Step Functions needs for these (Step Functions guide, "Logging", "X-Ray"): granted on "*" or not at all."""


# --- what the template grants --------------------------------------------------------------------------------------


def resolved(value: Any) -> str:
    """An ARN as the tests write it: a resource stands for its own name, its ARN for `arn:` and its name."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return str(name)
        case {"Fn::GetAtt": [name, "Arn"]}:
            return f"arn:{name}"
        case {"Fn::Sub": text}:
            return str(text).replace("${Table.Arn}", "arn:Table")
    raise AssertionError(f"an ARN of a form that this test does not know: {value}")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: str, policy: str | None = None) -> Iterator[dict[str, Any]]:
    for each in properties(role)["Policies"]:
        if policy in {None, each["PolicyName"]}:
            for statement in each["PolicyDocument"]["Statement"]:
                yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def granted(role: str, policy: str) -> set[Permission]:
    return {
        (action, resolved(resource))
        for statement in statements(role, policy)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def test_one_role_alone_has_a_policy_of_awss_making() -> None:
    assert [role for role in resources("AWS::IAM::Role") if "ManagedPolicyArns" in properties(role)] == ["ApiLogRole"]


def test_nothing_lets_sam_add_to_the_policies() -> None:
    for kind in ("AWS::Serverless::Function", "AWS::Serverless::StateMachine"):
        for name, resource in resources(kind).items():
            assert resource["Properties"]["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
            assert "Policies" not in resource["Properties"]


def test_lambda_may_do_what_the_functions_properties_ask_of_it() -> None:
    logs = function()["LoggingConfig"]["LogGroup"]["Ref"]
    dead_letters = resolved(function()["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"])
    assert function()["Tracing"] == "Active"
    assert granted("SyncFunctionRole", "what-lambda-does-for-it") == {
        ("logs:CreateLogStream", f"arn:{logs}"),
        ("logs:PutLogEvents", f"arn:{logs}"),
        ("sqs:SendMessage", dead_letters),
        ("xray:PutTelemetryRecords", "*"),
        ("xray:PutTraceSegments", "*"),
        ("kms:Decrypt", "KmsKeyArn"),
        ("kms:GenerateDataKey", "KmsKeyArn"),
    }


def test_the_state_machine_may_call_what_its_definition_calls() -> None:
    tasks = [state for state in definition()["States"].values() if state["Type"] == "Task"]
    substitutions = properties("SyncJobStateMachine")["DefinitionSubstitutions"]
    called = set()
    for task in tasks:
        match task["Resource"].rpartition(":::")[2]:
            case "lambda:invoke":
                name = task["Parameters"]["FunctionName"].removeprefix("${").removesuffix("}")
                called.add(("lambda:InvokeFunction", resolved(substitutions[name])))
            case "events:putEvents":
                called.add(("events:PutEvents", BUS))
    assert granted("SyncJobStateMachineRole", "what-the-definition-calls") == called


def test_step_functions_may_do_what_the_machines_properties_ask_of_it() -> None:
    assert properties("SyncJobStateMachine")["Tracing"] == {"Enabled": True}
    assert properties("SyncJobStateMachine")["Logging"]["Level"] != "OFF"
    assert granted("SyncJobStateMachineRole", "what-step-functions-does-for-it") == {
        (action, "*") for action in LOGS_AND_TRACES
    }


# --- what the code calls -------------------------------------------------------------------------------------------

SOURCE = Path(finch_sync.__file__).parent
HOLDERS_OF_CLIENTS = (Store, Executions, Connections, Announcer)


class Recording:
    """Every AWS call that the function's objects make: as permissions, and by which of their methods."""

    def __init__(self, observed: Aws) -> None:
        self.permissions: set[Permission] = set()
        self.methods: set[str] = set()
        machine = resolved(function()["Environment"]["Variables"]["STATE_MACHINE_ARN"])
        self._names = {
            observed.state_machine_arn: machine,
            _executions(observed.state_machine_arn): _executions(machine),
        }
        for client in (observed.dynamodb, observed.secretsmanager, observed.stepfunctions, observed.events):
            client.meta.events.register("provide-client-params", self._note)

    def name(self, actual: str, resource: str) -> None:
        """Say which resource of the template something stands for."""
        self._names[actual] = resource

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        for action, resource in permissions(model.service_model.endpoint_prefix, model.name, params):
            for actual, name in self._names.items():
                resource = resource.replace(actual, name)  # noqa: PLW2901 - one name after the other
            self.permissions.add((action, resource))
        frame = inspect.currentframe()
        while frame is not None:
            if SOURCE in Path(frame.f_code.co_filename).parents:
                self.methods.add(frame.f_code.co_qualname)
            frame = frame.f_back


def _executions(machine: str) -> str:
    return machine.replace(":stateMachine:", ":execution:")


TRANSACTED = {"ConditionCheck": "ConditionCheckItem", "Delete": "DeleteItem", "Put": "PutItem", "Update": "UpdateItem"}


def permissions(service: str, operation: str, params: dict[str, Any]) -> Iterator[Permission]:
    """What a call needs (Service Authorization Reference; for transactions DynamoDB guide, "Transactions and IAM")."""
    match service, operation:
        case "dynamodb", "TransactWriteItems":
            for item in params["TransactItems"]:
                [(kind, change)] = item.items()
                yield f"dynamodb:{TRANSACTED[kind]}", f"arn:{change['TableName']}"
        case "dynamodb", _:
            index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
            yield f"dynamodb:{operation}", f"arn:{params['TableName']}{index}"
        case "secretsmanager", _:
            yield f"secretsmanager:{operation}", params["SecretId"]
        case "events", _:
            for entry in params["Entries"]:
                assert entry["EventBusName"] == "default"
                yield f"events:{operation}", BUS
        case "states", _:
            yield f"states:{operation}", params.get("stateMachineArn") or params["executionArn"]
        case _:
            raise AssertionError(f"{service} {operation}: say here which permissions it needs")


def call(name: str, **headers: str) -> HttpRequest:
    event = json.loads((PROJECT / "events" / f"{name}.json").read_text())
    event["headers"] |= {"Authorization": f"Bearer {CALLER_TOKENS['acme']}", **headers}
    request = parse(event)
    assert isinstance(request, HttpRequest)
    return request


def tick(world: World, *names: str) -> None:
    world.scheduler(lambda: 60.0).run(Source.SCHEDULE, str(world.clock()), names or ["acme"])


def sweep(world: World) -> None:
    world.clock.advance(seconds=400)
    world.another().sweeper(lambda: 60.0).run()


def a_job_from_its_trigger_to_its_end(world: World, _: Aws) -> None:
    world.http_api.answer(call("http_post"))
    [job_id] = world.jobs_made()
    world.http_api.answer(call("http_list_jobs"))
    job = world.store.job("acme", job_id)
    assert job is not None
    state = TrackingState.model_validate(first_input(job, world.store.durations("acme")))
    for seconds in (3, 100):  # in progress, complete
        world.clock.advance(seconds=seconds)
        state = world.tracker.poll(state)
    assert isinstance(state, Decision)
    assert state.next == "done"


def a_job_that_finch_lost(world: World, _: Aws) -> None:
    tick(world)
    [job_id] = world.jobs_made()
    state = TrackingState(
        connection="acme", job_id=job_id, accepted_at=world.clock(), deadline=world.clock(), status="pending",
        polls=0, not_found=0, wait_seconds=1,
    )  # fmt: skip
    world.sandbox.add_fault(ErrorFault(answer="403_insufficient_scope"), method="GET")
    assert world.tracker.poll(state).next == "lost"


def executions_that_die(world: World, _: Aws) -> None:
    tick(world)
    [job_id] = world.jobs_made()
    for execution in (job_id, *(f"{job_id}.{number}" for number in range(1, 10))):
        world.tracker.execution_died("acme", job_id, execution)
    tick_again = world.another()
    world.clock.advance(seconds=1)
    tick(tick_again)  # Finch names the job again, which still runs


def jobs_and_requests_left_behind(world: World, _: Aws) -> None:
    tick(world, "initech-assisted", "acme")
    world.sandbox.patch(in_progress_seconds=10_000)
    sweep(world)
    world.scheduler(lambda: 0.0).run(Source.SCHEDULE, "left to the sweep", ["globex"])
    sweep(world)


def finch_out_of_reach(world: World, _: Aws) -> None:
    world.finch = Finch("http://127.0.0.1:9")
    world.http_api.answer(call("http_post"))
    tick(world)


def a_call_that_an_sdk_repeats(world: World, _: Aws) -> None:
    world.http_api.answer(call("http_post"))
    world.http_api.answer(call("http_post", **{"x-stainless-retry-count": "1"}))


def finch_asking_for_a_pause(world: World, _: Aws) -> None:
    world.sandbox.add_fault(ErrorFault(answer="429_ip"), method="POST")
    tick(world)
    tick(world.another(), "globex")


def an_answer_that_got_lost(world: World, _: Aws) -> None:
    world.sandbox.add_fault(ResetFault(when="after"), method="POST")
    tick(world)
    sweep(world)


def a_token_that_was_replaced(world: World, _: Aws) -> None:
    world.sandbox.add_fault(ErrorFault(answer="401_invalid_token"), method="POST")
    tick(world)


def a_connection_held_by_nobody(world: World, operator: Aws) -> None:
    request = Request(
        connection="acme", key="key:gone", source=Source.HTTP, fingerprint="", created_at=world.clock(),
        due_at=world.clock(), base_url="https://api.example/v1",
    )  # fmt: skip
    world.store.send(request.sending(world.clock()))
    operator.dynamodb.delete_item(
        TableName=world.table, Key={"pk": {"S": "connection#acme"}, "sk": {"S": "request#key:gone"}}
    )
    tick(world)


def a_webhook(world: World, _: Aws) -> None:
    assert world.connections.webhook_secrets() == ()
    tick(world)
    [job_id] = world.jobs_made()
    assert world.store.sees_first("msg_1", world.clock())
    world.tracker.hurry(job_id)
    world.store.forget_event("msg_1")


def a_caller_who_waits(world: World, _: Aws) -> None:
    tick(world)
    [job_id] = world.jobs_made()
    job = world.store.job("acme", job_id)
    assert job is not None
    assert WaitingRoom(store=world.store, now=world.clock).wait(job, 0) == job


WAYS = (
    a_webhook,
    a_caller_who_waits,
    a_job_from_its_trigger_to_its_end,
    a_job_that_finch_lost,
    executions_that_die,
    jobs_and_requests_left_behind,
    finch_out_of_reach,
    a_call_that_an_sdk_repeats,
    finch_asking_for_a_pause,
    an_answer_that_got_lost,
    a_token_that_was_replaced,
    a_connection_held_by_nobody,
)


@pytest.fixture(scope="module")
def recorded(emulated_aws: Aws, world_sandbox: Sandbox, world_clock: Clock) -> Recording:
    """What went out while the function's objects went every way that they can."""
    app.logger.clear_state()  # the loggers of its parts are this one's children
    observed = aws(emulated_aws.endpoint_url)
    recording = Recording(observed)
    for way in WAYS:
        world_clock.moment = Clock().moment
        world_sandbox.reset()
        world_sandbox.patch(allowed_refreshes=100)
        secret = emulated_aws.secret(world_sandbox.tokens)
        recording.name(secret, "ConnectionsSecret")
        with emulated_aws.table() as table:
            recording.name(table, "Table")
            way(World(observed, world_sandbox, table, secret, world_clock), emulated_aws)
    return recording


def test_every_method_that_calls_aws_was_recorded(recorded: Recording) -> None:
    callers = {
        f"{holder.__name__}.{name}"
        for holder in HOLDERS_OF_CLIENTS
        for name, member in inspect.getmembers(holder, inspect.isfunction)
        if not name.startswith("_")
    }
    assert callers - recorded.methods == set()


def test_nothing_else_holds_a_client() -> None:
    holders = {
        node.name
        for file in SOURCE.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef) and "._client." in ast.unparse(node)
    }
    assert holders == {holder.__name__ for holder in HOLDERS_OF_CLIENTS}


def covers(grant: Permission, call: Permission) -> bool:
    return grant[0] == call[0] and fnmatchcase(call[1], grant[1])


def test_the_code_may_make_every_call_that_it_makes(recorded: Recording) -> None:
    grants = granted("SyncFunctionRole", "what-the-code-calls")
    assert {call for call in recorded.permissions if not any(covers(grant, call) for grant in grants)} == set()


def test_the_code_may_make_no_call_that_it_does_not_make(recorded: Recording) -> None:
    grants = granted("SyncFunctionRole", "what-the-code-calls")
    assert {grant for grant in grants if not any(covers(grant, call) for call in recorded.permissions)} == set()
