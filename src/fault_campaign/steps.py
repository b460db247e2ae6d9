"""What a call of the function's is, by its content: the steps at which it can be made to fail."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

ENQUEUE = "POST /sandbox/jobs"
ENQUEUE_AGAIN = "POST /sandbox/jobs, again"
LIST = "GET /jobs/automated"
LOOK = "GET /jobs/automated/{job_id}"
SEND = "TransactWriteItems: request sent, hold"
START = "StartExecution"

_TELLING = ("restarts", "tracking", "polls", "due_at")
"""The attributes by which the updates of a job are told apart, the most telling first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call: its kind, whose it is, and what it does to the connection's lock and to its job's tracking."""

    name: str
    connection: str | None = None
    key: str | None = None
    job_id: str | None = None
    holds: bool = False
    releases: bool = False
    ends_job: bool = False


def finch_step(method: str, path: str, connection: str | None, *, again: bool) -> Step:
    """A call to Finch; `again` says that the request on record is POSTed for the second time."""
    bare = path.partition("?")[0]
    if method == "POST":
        return Step(ENQUEUE_AGAIN if again else ENQUEUE, connection)
    if bare == "/jobs/automated":
        return Step(LIST, connection)
    return Step(LOOK, connection, job_id=bare.rpartition("/")[2])


def aws_step(target: str, body: bytes, owners: Mapping[str, str]) -> Step:
    """A call to AWS.

    Args:
        target: the header X-Amz-Target.
        body: the JSON document sent.
        owners: connections by job, for calls that name only a job.
    """
    operation = target.rpartition(".")[2]
    asked: dict[str, Any] = json.loads(body)
    match operation:
        case "TransactWriteItems":
            return _transaction(asked["TransactItems"])
        case "PutItem":
            return _item_step(operation, asked["Item"], f" {_state(asked['Item'])}".rstrip())
        case "GetItem":
            return _item_step(operation, asked["Key"])
        case "UpdateItem":
            told = _told(asked["UpdateExpression"])
            return replace(_item_step(operation, asked["Key"], told), ends_job=told.endswith("tracking"))
        case "Query":
            kind = asked["ExpressionAttributeValues"].get(":kind", {}).get("S", "")
            return Step(f"Query: {asked['IndexName']} {kind}".rstrip())
        case "StartExecution":
            given = json.loads(asked["input"])
            return Step(START, given["connection"], job_id=given["job_id"])
        case "DescribeExecution":
            job_id = asked["executionArn"].rpartition(":")[2].partition(".")[0]
            return Step(operation, owners.get(job_id), job_id=job_id)
        case _:
            return Step(operation)


def _transaction(writes: list[dict[str, dict[str, Any]]]) -> Step:
    parts, connection, key, job_id, holds, releases, ends_job = [], None, None, None, False, False, False
    for write in writes:
        [(verb, given)] = write.items()
        item = given.get("Item") or given["Key"]
        connection, kind, name = _identity(item)
        if kind == "state":
            holds |= "SET unresolved" in given["UpdateExpression"]
            releases |= "REMOVE unresolved" in given["UpdateExpression"]
            parts.append("hold" if holds else "release" if releases else "state")
        elif kind == "job":
            job_id = name
            told = _told(given.get("UpdateExpression", ""))
            ends_job |= told.endswith("tracking")
            parts.append(f"job{told}")
        else:
            key = name
            again = verb == "Put" and _state(item) == "sent" and item["posts"]["N"] != "1"
            parts.append(f"request {_state(item) if verb == 'Put' else verb.lower()}" + (" again" if again else ""))
    return Step(f"TransactWriteItems: {', '.join(parts)}", connection, key, job_id, holds, releases, ends_job)


def _item_step(operation: str, item: dict[str, Any], more: str = "") -> Step:
    connection, kind, name = _identity(item)
    return Step(
        f"{operation}: {kind}{more}",
        connection,
        key=name if kind == "request" else None,
        job_id=name if kind == "job" else None,
    )


def _identity(item: dict[str, Any]) -> tuple[str | None, str, str]:
    """Connection, kind and name of an item of the table."""
    partition, sort = item["pk"]["S"], item["sk"]["S"]
    kind, _, name = sort.partition("#")
    connection = partition.removeprefix("connection#") if partition.startswith("connection#") else None
    return connection, kind, name


def _told(expression: str) -> str:
    """What an update of a job is about, as the end of a step's name."""
    return next((f" {name}" for name in _TELLING if name in expression), "")


def _state(item: dict[str, Any]) -> str:
    return str(item.get("state", {}).get("S", ""))
