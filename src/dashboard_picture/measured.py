"""What a local stack measured of itself: our metrics from the function's log, AWS's own counted from what happened."""

from collections.abc import Iterator
from typing import Any

from dashboard_picture.embedded_metrics import Value, values
from local_aws.sam import STACK_NAME
from local_aws.stack import Stack


def measured(stack: Stack, dead_letters: list[tuple[float, float]]) -> list[Value]:
    """Everything that CloudWatch would know of a stack.

    Args:
        stack: The stack.
        dead_letters: The length of its queue, by the moment it was looked at.
    """
    queue = stack.dead_letter_queue_url.rpartition("/")[2]
    return [
        *values(stack.function_log()),
        *_invocations(stack),
        *_executions(stack),
        *(
            Value("AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", queue),), at, length)
            for at, length in dead_letters
        ),
    ]


def _invocations(stack: Stack) -> Iterator[Value]:
    """Lambda's own log says when an invocation ended, and how."""
    logs = stack.session.client("logs", endpoint_url=stack.aws_endpoint_url)
    of_function = (("FunctionName", stack.function_name),)
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{STACK_NAME}-sync")
    for event in (event for page in pages for event in page["events"]):
        at, message = event["timestamp"] / 1000, event["message"]
        if message.startswith("START RequestId"):
            yield Value("AWS/Lambda", "Invocations", of_function, at, 1)
        elif '"errorType"' in message:
            yield Value("AWS/Lambda", "Errors", of_function, at, 1)


def _executions(stack: Stack) -> Iterator[Value]:
    states = stack.session.client("stepfunctions", endpoint_url=stack.aws_endpoint_url)
    machine = (("StateMachineArn", stack.state_machine_arn),)
    ended: Any
    for ended, name in (("FAILED", "ExecutionsFailed"), ("TIMED_OUT", "ExecutionsTimedOut")):
        listed = states.list_executions(stateMachineArn=stack.state_machine_arn, statusFilter=ended)
        for execution in listed["executions"]:
            yield Value("AWS/States", name, machine, execution["stopDate"].timestamp(), 1)
