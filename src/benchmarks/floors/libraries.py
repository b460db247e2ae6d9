"""What no build of this function can leave out: the same calls with the libraries that it is written in, and no more.

A Lambda handler; CALLS names the file of calls that one invocation of the function was seen to make. boto3 for AWS, one
client for each service that is called; urllib3 for Finch; pydantic for what comes in and goes out; one line of
powertools' Logger. Nothing is decided, nothing is checked further, and nothing is recorded or measured.
"""

import json
import os
import ssl
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import urllib3
from aws_lambda_powertools import Logger
from botocore.config import Config
from pydantic import BaseModel

_CLIENTS = {"dynamodb": "dynamodb", "states": "stepfunctions", "secretsmanager": "secretsmanager"}
_METHODS = {"GetItem": "get_item", "PutItem": "put_item", "UpdateItem": "update_item", "Query": "query",
            "TransactWriteItems": "transact_write_items", "StartExecution": "start_execution",
            "GetSecretValue": "get_secret_value"}  # fmt: skip
_HEADERS = {"Authorization": "Bearer t", "Finch-API-Version": "2020-09-17", "Content-Type": "application/json"}


class Poll(BaseModel):
    """An execution's state."""

    connection: str
    job_id: str
    accepted_at: datetime
    deadline: datetime
    status: str
    polls: int
    not_found: int
    wait_seconds: int
    known: dict[str, float]


class Event(BaseModel):
    """A look's event, or a request's."""

    poll: Poll | None = None
    resource: str | None = None
    path: str | None = None
    headers: dict[str, str] | None = None
    body: str | None = None


class Answer(BaseModel):
    """Finch's, about a job."""

    job_id: str
    job_url: str
    status: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


logger = Logger()
_calls = json.loads(Path(os.environ["CALLS"]).read_text())
_session = boto3.Session()
_aws = {
    service: _session.client(name, config=Config(retries={"mode": "standard"}))  # type: ignore[call-overload] # of any name
    for service, name in _CLIENTS.items()
    if any(call["service"] == service for call in _calls)
}
_finch = urllib3.PoolManager(ssl_context=ssl.create_default_context())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Make the calls."""
    asked, answer = Event.model_validate(event), None
    for call in _calls:
        if call["target"]:
            method = _METHODS[call["target"].rpartition(".")[2]]
            getattr(_aws[call["service"]], method)(**json.loads(call["body"]))
        else:
            response = _finch.request(
                call["method"], call["url"] + call["path"], body=call["body"] or None, headers=_HEADERS
            )
            answer = Answer.model_validate_json(response.data)
    logger.info("answered")
    return (answer or asked).model_dump(mode="json")
