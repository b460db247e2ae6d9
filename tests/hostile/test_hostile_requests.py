"""Thousands of hostile requests: none is a 5xx, none leaks, none opens what is another's."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.hostile.requests import Attacker
from tests.unit.callers import Answered, Caller, answered, proxy_event
from tests.world import CALLER_TOKENS, World

REQUESTS = 4_000


@pytest.mark.parametrize("seed", [1, 2])
def test_no_request_breaks_anything_or_gets_at_anything(
    world: World, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = Caller(world, "globex").enqueue().body["job_id"]
    seen: Counter[int] = Counter()
    attacker = Attacker(seed, CALLER_TOKENS["acme"], theirs)
    for event in attacker.events(REQUESTS // 2):
        answer = answered(world, event)
        seen[answer.status] += 1
        described = json.dumps(event)[:2_000]
        assert answer.status < 500, described
        assert answer.status < 400 or set(answer.body) == {"code", "name", "finch_code", "message"}, described
        assert answer.status < 400 or answer.body["code"] == answer.status, described
        assert theirs not in answer.text, described
        assert "\n" not in repr(list(answer.headers.values())), described
    assert {200, 400, 401, 404, 405, 413} <= set(seen)
    assert "job accepted" in caplog.messages, "there is a log, which is searched"
    assert world.jobs_made("globex") == [theirs]


def test_wrong_credentials_always_get_the_same_answer(world: World) -> None:
    attacker = Attacker(3, CALLER_TOKENS["acme"], "unknown")
    told = {
        _without_id(answered(world, proxy_event("GET", "/jobs/automated", headers={"Authorization": wrong})))
        for wrong in (attacker.authorization() for _ in range(1_000))
    }
    assert len(told) == 1
    assert {json.loads(each)["status"] for each in told} == {401}


def _without_id(answer: Answered) -> str:
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}
    return json.dumps({"status": answer.status, "headers": headers, "text": answer.text}, sort_keys=True)


@pytest.mark.parametrize("body", ["x" * 10_000_000, '{"type":"' + "x" * 10_000_000 + '"}'], ids=["text", "json"])
def test_ten_megabytes_are_refused_unread(world: World, body: str) -> None:
    assert Caller(world).enqueue(body).status == 413


@pytest.mark.parametrize("field", ["headers", "body", "pathParameters", "queryStringParameters"])
def test_what_api_gateway_leaves_empty_is_empty(world: World, field: str) -> None:
    event: dict[str, Any] = proxy_event("GET", "/jobs/automated", headers={}) | {field: None}
    assert answered(world, event).status == 401
