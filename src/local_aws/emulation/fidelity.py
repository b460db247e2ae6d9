"""Where ministack differs from what AWS documents, and this stack would notice.

Importing this module closes the gaps; each replacement's docstring says what it closes.
"""

import contextvars
import json
import random
import re
import threading
from collections.abc import Mapping
from typing import Any

from ministack.services import apigateway_v1, dynamodb, eventbridge, lambda_svc, stepfunctions
from ministack.services.cloudformation import provisioners

from local_aws.emulation.replacing import Function, constant, replaces

_Execution = dict[str, Any]

_NAME_MAX = 80
_NAME_FORBIDDEN = re.compile(r'[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]')

# --- Step Functions ---


@replaces(stepfunctions, "_find_matching_retrier")
def _retrier(original: Function, retriers: Any, error: str, counts: Mapping[int, int]) -> Any:
    """MaxDelaySeconds and JitterStrategy are ignored; retries would come later, and all at once."""
    retrier, index = original(retriers, error, counts)
    if retrier is None:
        return retrier, index
    delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** counts.get(index, 0)
    delay = min(delay, retrier.get("MaxDelaySeconds", delay))
    if retrier.get("JitterStrategy") == "FULL":
        delay = random.uniform(0, delay)  # noqa: S311 - jitter
    return {**retrier, "IntervalSeconds": delay, "BackoffRate": 1.0}, index


@replaces(stepfunctions, "_start_execution")
def _start(original: Function, data: Mapping[str, Any]) -> Any:
    """Starting again what runs with the same name and input is a success, and names and input are checked."""
    name, given = data.get("name"), data.get("input", "{}")
    if name is not None and (not 1 <= len(name) <= _NAME_MAX or _NAME_FORBIDDEN.search(name)):
        return stepfunctions.error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
    try:
        json.loads(given)
    except ValueError:
        return stepfunctions.error_response_json("InvalidExecutionInput", "Invalid State Machine Execution Input", 400)
    machine = data.get("stateMachineArn", "")
    running = stepfunctions._executions.get(f"{machine.replace(':stateMachine:', ':execution:')}:{name}")
    if running and running["status"] == "RUNNING" and running["input"] == given:
        return stepfunctions.json_response({"executionArn": running["executionArn"], "startDate": running["startDate"]})
    return original(data)


@replaces(stepfunctions, "_fail_execution")
def _fail(original: Function, execution: _Execution, error: str, cause: str) -> None:
    """An execution that was stopped or timed out keeps that status when its last task fails afterwards."""
    if execution["status"] == "RUNNING":
        original(execution, error, cause)


@replaces(stepfunctions, "_run_execution")
def _run(original: Function, arn: str) -> None:
    """The machine's own TimeoutSeconds is ignored; nothing would ever be TIMED_OUT."""
    execution = stepfunctions._executions[arn]
    definition = json.loads(stepfunctions._state_machines[execution["stateMachineArn"]]["definition"])
    seconds = definition.get("TimeoutSeconds")
    if seconds is None:
        original(arn)
        return
    # The thread needs ministack's context variables: they say whose account and region this is.
    timer = threading.Timer(seconds, contextvars.copy_context().run, [_time_out, execution])
    timer.daemon = True
    timer.start()
    try:
        original(arn)
    finally:
        timer.cancel()


def _time_out(execution: _Execution) -> None:
    if execution["status"] == "RUNNING":
        execution["status"] = "TIMED_OUT"
        execution["stopDate"] = stepfunctions.now_iso()
        stepfunctions._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
        stepfunctions._emit_execution_status_event(execution)


@replaces(stepfunctions, "_execute_wait")
def _wait(original: Function, state: Mapping[str, Any], given: Any, context: Any = None) -> Any:
    """A SecondsPath that leads nowhere, or not to a whole number, is no wait at all; on AWS the execution fails."""
    if "SecondsPath" in state:
        seconds = stepfunctions._resolve_path_or_ctx(state["SecondsPath"], given, context)
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
            raise stepfunctions._ExecutionError(
                "States.Runtime", f"{state['SecondsPath']} is not a number of seconds: {json.dumps(seconds)}"
            )
    return original(state, given, context)


# --- EventBridge ---

# A rule fires up to ten seconds late otherwise, which is most of what a demonstration takes.
constant(eventbridge, "_SCHEDULER_TICK_INTERVAL", 1)


@replaces(eventbridge, "_dispatch_to_lambda")
def _dispatch(_original: Function, arn: str, payload: str) -> None:
    """A rule invokes asynchronously: with the function's own retries and dead letters, which are left out."""
    func, config, name = lambda_svc._get_func_record_for_ref(arn)
    if not func or not config:
        eventbridge.logger.warning("EventBridge: no function %s", name)
        return
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(func, config), json.loads(payload))


# --- API Gateway ---


@replaces(apigateway_v1, "_import_rest_api")
def _import_api(original: Function, body: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    """The gateway responses of an OpenAPI body are dropped; an unknown route would be answered in another shape."""
    api_id = original(body, data)
    for kind, response in body.get("x-amazon-apigateway-gateway-responses", {}).items():
        apigateway_v1._put_gateway_response(api_id, kind, response)
    return api_id


_ANY_METHOD = "x-amazon-apigateway-any-method"
apigateway_v1._OPENAPI_HTTP_METHODS.add(_ANY_METHOD)


@replaces(apigateway_v1, "_import_operation")
def _import_operation(original: Function, api_id: str, resource_id: str, method: str, *rest: Any) -> None:
    """OpenAPI's way to write ANY is dropped; the resource would have no method."""
    original(api_id, resource_id, "ANY" if method.lower() == _ANY_METHOD else method, *rest)


@replaces(apigateway_v1, "_build_lambda_event_v1")
def _lambda_event(original: Function, api_id: str, *args: Any, **kwargs: Any) -> Any:
    """The context's path is the one that the caller asked for, here with what stands for the API's host name."""
    event = original(api_id, *args, **kwargs)
    if not event["headers"].get("host", "").startswith(api_id):
        event["requestContext"]["path"] = f"/_aws/execute-api/{api_id}{event['requestContext']['path']}"
    return event


# --- CloudFormation ---

_TABLE = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
_create_table: Function = _TABLE["create"]


def _create_whole_table(logical_id: str, properties: Mapping[str, Any], stack_name: str) -> Any:
    """A table's time to live and point-in-time recovery are dropped."""
    created = _create_table(logical_id, properties, stack_name)
    name = created[0]
    if ttl := properties.get("TimeToLiveSpecification"):
        enabled = str(ttl["Enabled"]).lower() == "true"
        dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": {**ttl, "Enabled": enabled}})
    if recovery := properties.get("PointInTimeRecoverySpecification"):
        enabled = str(recovery["PointInTimeRecoveryEnabled"]).lower() == "true"
        dynamodb._update_continuous_backups(
            {"TableName": name, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": enabled}}
        )
    return created


_TABLE["create"] = _create_whole_table
