"""The payloads in events/ are what their names say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from finch_sync.http_api import MAX_BODY_BYTES
from finch_sync.triggers import (
    DirectInvocation,
    ExecutionDied,
    HttpRequest,
    PollTask,
    ScheduleTick,
    SweepTick,
    parse,
)

EVENTS = Path(__file__).parents[2] / "events"
FILES = sorted(EVENTS.iterdir())

TRIGGERS = {
    "direct": DirectInvocation,
    "execution": ExecutionDied,
    "http": HttpRequest,
    "poll": PollTask,
    "schedule": ScheduleTick,
    "sweep": SweepTick,
}


def read(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def http(name: str) -> HttpRequest:
    request = parse(read(name))
    assert isinstance(request, HttpRequest)
    return request


def names(source: str) -> list[str]:
    return [file.stem for file in FILES if file.stem.partition("_")[0] == source]


def keys_at_every_depth(value: object, path: str = "") -> set[str]:
    if not isinstance(value, Mapping):
        return set()
    return {f"{path}{key}" for key in value} | {
        inner for key, child in value.items() for inner in keys_at_every_depth(child, f"{path}{key}.")
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_payload_is_the_trigger_that_its_name_begins_with(file: Path) -> None:
    assert file.suffix == ".json"
    assert type(parse(json.loads(file.read_text()))) is TRIGGERS[file.stem.partition("_")[0]]


def test_every_trigger_has_a_payload() -> None:
    assert {file.stem.partition("_")[0] for file in FILES} == set(TRIGGERS)


@pytest.mark.parametrize("name", names("http"))
def test_an_http_payload_is_whole_and_agrees_with_itself(name: str) -> None:
    event, request = read(name), http(name)

    assert event["multiValueHeaders"] == {key: [value] for key, value in event["headers"].items()}
    query = event["queryStringParameters"]
    assert event["multiValueQueryStringParameters"] == (query and {key: [value] for key, value in query.items()})
    assert event["path"] == event["resource"].format(**event["pathParameters"] or {})
    context = event["requestContext"]
    assert context["path"] == f"/{context['stage']}{event['path']}"
    assert context["resourcePath"] == event["resource"]
    assert context["httpMethod"] == event["httpMethod"]
    assert request.context.domain_name == request.header("Host")
    # All that API Gateway sends, with nulls where it has nothing to say (its guide, "Input format of a Lambda proxy
    # integration").
    assert set(event) == {
        "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext", "body",
        "isBase64Encoded",
    }  # fmt: skip
    assert {"accountId", "apiId", "requestId", "requestTimeEpoch", "identity"} <= set(context)


def test_all_http_payloads_have_the_same_fields() -> None:
    def fixed(name: str) -> set[str]:
        changing = ("headers.", "multiValueHeaders.", "queryString", "multiValueQueryString", "pathParameters")
        return {key for key in keys_at_every_depth(read(name)) if not key.startswith(changing)}

    assert len({frozenset(fixed(name)) for name in names("http")}) == 1


def test_caller_tokens_are_plainly_not_real() -> None:
    tokens = {http(name).header("Authorization") for name in names("http")}
    assert tokens == {"Bearer demo-caller-token-of-acme", "Bearer demo-caller-token-of-nobody"}


def test_the_posts_differ_in_what_their_names_say() -> None:
    plain, keyed, invalid, stranger = (
        http(f"http_post{case}") for case in ("", "_idempotent", "_invalid_body", "_unknown_caller")
    )
    assert plain.header("Idempotency-Key") is None
    assert keyed.header("Idempotency-Key")
    assert keyed.body == plain.body == stranger.body == '{"type":"data_sync_all"}'
    assert invalid.body is not None
    assert len(invalid.body) < MAX_BODY_BYTES
    assert json.loads(invalid.body)["type"] != "data_sync_all"
    assert stranger.header("Authorization") != plain.header("Authorization")
    assert len({request.context.request_id for request in (plain, keyed, invalid, stranger)}) == 4


def test_the_rule_and_the_scheduler_tick_apart() -> None:
    rule, scheduler = parse(read("schedule_by_rule")), parse(read("schedule_by_scheduler"))
    assert isinstance(rule, ScheduleTick)
    assert isinstance(scheduler, ScheduleTick)
    assert (rule.source, scheduler.source) == ("aws.events", "aws.scheduler")
    assert rule.key != scheduler.key
    # The rule sends an object, the Scheduler's default input a text.
    assert (read("schedule_by_rule")["detail"], read("schedule_by_scheduler")["detail"]) == ({}, "{}")


def test_the_ended_execution_names_itself_in_every_place() -> None:
    event = read("execution_timed_out")
    died = parse(event)
    assert isinstance(died, ExecutionDied)
    assert died.detail.status == "TIMED_OUT"
    assert died.detail.name == died.detail.input.job_id
    assert event["resources"] == [event["detail"]["executionArn"]]
    assert event["detail"]["executionArn"].endswith(f":{died.detail.name}")
