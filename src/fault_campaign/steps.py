"""What a call of the function's is, by its content: the steps at which it can be made to fail."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENQUEUE = "POST /sandbox/jobs"
ENQUEUE_AGAIN = "POST /sandbox/jobs, again"
LIST = "GET /jobs/automated"
LOOK = "GET /jobs/automated/{job_id}"
SEND = "TransactWriteItems: request sent, hold"
START = "StartExecution"
JOB_ENDED = "UpdateItem: job tracking"

_TELLING = ("restarts", "tracking", "polls", "due_at")
"""The attributes by which the updates of a job are told apart, the most telling first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call: its kind, whose it is, and what it does to the connection's lock."""

    name: str
    connection: str | None = None
    key: str | None = None
    job_id: str | None = None
    holds: bool = False
    releases: bool = False


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
            expression = asked["UpdateExpression"]
            return _item_step(operation, asked["Key"], " " + next(name for name in _TELLING if name in expression))
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
    parts, connection, key, job_id, holds, releases = [], None, None, None, False, False
    for write in writes:
        [(verb, given)] = write.items()
        item = given.get("Item") or given["Key"]
        connection, kind, name = _identity(item)
        if kind == "state":
            holds = "SET unresolved" in given["UpdateExpression"]
            releases = not holds
            parts.append("hold" if holds else "release")
        elif kind == "job":
            job_id = name
            parts.append("job")
        else:
            key = name
            again = verb == "Put" and _state(item) == "sent" and item["posts"]["N"] != "1"
            parts.append(f"request {_state(item) if verb == 'Put' else verb.lower()}" + (" again" if again else ""))
    return Step(f"TransactWriteItems: {', '.join(parts)}", connection, key, job_id, holds, releases)


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


def _state(item: dict[str, Any]) -> str:
    return str(item.get("state", {}).get("S", ""))
