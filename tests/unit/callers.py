"""A caller of the function's HTTP API, without a network: what API Gateway makes of a request, and of the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch
from uuid import uuid4

from finch_sync import app
from tests.world import CALLER_TOKENS, World

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

HOST = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
ENQUEUE = json.dumps({"type": "data_sync_all"})


@dataclass(frozen=True)
class Answered:
    """An answer, as the caller reads it."""

    status: int
    headers: dict[str, str]
    text: str
    body: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", json.loads(self.text))

    @property
    def error(self) -> tuple[int, str, str]:
        assert set(self.body) == {"code", "name", "finch_code", "message"}
        assert self.body["code"] == self.status
        return self.status, self.body["name"], self.body["finch_code"]


def proxy_event(
    method: str,
    resource: str,
    *,
    path_parameters: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    is_base64: bool = False,
    request_id: str | None = None,
) -> dict[str, Any]:
    """A REST proxy event (API Gateway guide, "Input format of a Lambda proxy integration")."""
    path = resource
    for name, value in (path_parameters or {}).items():
        path = path.replace(f"{{{name}}}", value)
    return {
        "httpMethod": method,
        "resource": resource,
        "path": path,
        "headers": dict(headers or {}),
        "queryStringParameters": None if query is None else dict(query),
        "pathParameters": None if path_parameters is None else dict(path_parameters),
        "body": body,
        "isBase64Encoded": is_base64,
        "requestContext": {
            "requestId": request_id or str(uuid4()),
            "path": f"/v1{path}",
            "stage": "v1",
            "domainName": HOST,
        },
    }


class _Context:
    function_name = "sync"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:sync"
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def answered(world: World, event: dict[str, Any]) -> Answered:
    with patch.object(app, "services", lambda: world):
        answer = app.handler(event, cast("LambdaContext", _Context()))
    assert answer is not None
    assert answer["isBase64Encoded"] is False
    return Answered(answer["statusCode"], answer["headers"], answer["body"])


@dataclass(frozen=True)
class Caller:
    """Holds one connection's caller token."""

    world: World
    connection: str = "acme"

    def call(self, method: str, resource: str, *, headers: Mapping[str, str] | None = None, **rest: Any) -> Answered:
        own = {"Authorization": f"Bearer {CALLER_TOKENS[self.connection]}"}
        return answered(self.world, proxy_event(method, resource, headers=own | dict(headers or {}), **rest))

    def enqueue(self, body: str | None = ENQUEUE, **headers: str) -> Answered:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", "/sandbox/jobs", body=body, headers=named)

    def job(self, job_id: str) -> Answered:
        return self.call("GET", "/jobs/automated/{job_id}", path_parameters={"job_id": job_id})

    def jobs(self, **query: str) -> Answered:
        return self.call("GET", "/jobs/automated", query=query or None)
