"""The Lambda function: one event in, one use case, one answer out."""

from functools import cache
from typing import Any, assert_never

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from finch_sync.ledger import Source
from finch_sync.services import Services
from finch_sync.settings import Settings
from finch_sync.triggers import (
    DirectInvocation,
    ExecutionDied,
    HttpRequest,
    PollTask,
    ScheduleTick,
    SweepTick,
    parse,
)

logger = Logger()


@cache
def settings() -> Settings:
    """The settings of this environment, read when the first event arrives."""
    return Settings.from_environment()


@cache
def services() -> Services:
    """The objects of this environment."""
    return Services(settings())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    """Answer one event of any source."""
    trigger = parse(event)

    def time_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    match trigger:
        case PollTask(poll=state):
            logger.append_keys(correlation_id=state.job_id, connection=state.connection)
            return services().tracker.poll(state).model_dump()
        case HttpRequest():
            logger.append_keys(correlation_id=trigger.context.request_id)
            return services().http_api.answer(trigger)
        case ScheduleTick():
            logger.append_keys(correlation_id=trigger.key)
            return services().scheduler(time_left).run(Source.SCHEDULE, trigger.key, settings().scheduled_connections)
        case DirectInvocation(enqueue=order):
            logger.append_keys(correlation_id=order.idempotency_key)
            return (
                services().scheduler(time_left).run(Source.DIRECT, f"direct:{order.idempotency_key}", order.connections)
            )
        case SweepTick():
            return services().sweeper(time_left).run()
        case ExecutionDied(detail=ended):
            logger.append_keys(correlation_id=ended.input.job_id, connection=ended.input.connection)
            services().tracker.execution_died(ended.input.connection, ended.input.job_id, ended.name)
            return None
        case impossible:
            assert_never(impossible)
