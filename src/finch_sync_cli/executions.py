"""What a stack's state machine did for a job, for those who may look into AWS."""

from typing import TYPE_CHECKING

from finch_sync_cli.stacks import Stack
from finch_sync_cli.timeline import Span, Story, told_by

if TYPE_CHECKING:
    from datetime import datetime

_MOST_EXECUTIONS = 20


class Executions:
    """The executions of one stack."""

    def __init__(self, stack: Stack) -> None:
        self._client = stack.session.client("stepfunctions", endpoint_url=stack.endpoint_url)
        self._arn = stack.outputs["StateMachineArn"]

    def story(self, job_id: str) -> Story:
        """All that was done for a job so far, by its first execution and by those that took its place."""
        spans: list[Span] = []
        next_look: datetime | None = None
        for number in range(_MOST_EXECUTIONS):
            name = job_id if number == 0 else f"{job_id}.{number}"
            arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
            try:
                pages = self._client.get_paginator("get_execution_history").paginate(executionArn=arn)
                told = told_by(event for page in pages for event in page["events"])
            except self._client.exceptions.ExecutionDoesNotExist:
                break
            spans += told.spans
            next_look = told.next_look
        return Story(tuple(spans), next_look)
