"""What a call is told to be: by what botocore really sends, and by paths of Finch's."""

import json
from typing import Any

import pytest

from fault_campaign.steps import ENQUEUE, ENQUEUE_AGAIN, LIST, LOOK, SEND, START, Step, aws_step, finch_step


def request(state: str, posts: int = 1) -> dict[str, Any]:
    return {
        "pk": {"S": "connection#acme"},
        "sk": {"S": "request#key:a#b"},
        "state": {"S": state},
        "posts": {"N": str(posts)},
    }


STATE = {"pk": {"S": "connection#acme"}, "sk": {"S": "state"}}
JOB = {"pk": {"S": "connection#acme"}, "sk": {"S": "job#j1"}}
HOLD = {"Update": {"Key": STATE, "UpdateExpression": "SET unresolved = :key"}}
RELEASE = {"Update": {"Key": STATE, "UpdateExpression": "SET quota = :q REMOVE unresolved"}}


def put(item: dict[str, Any]) -> dict[str, Any]:
    return {"Put": {"Item": item}}


@pytest.mark.parametrize(
    ("writes", "step"),
    [
        ([put(request("sent")), HOLD], Step(SEND, "acme", "key:a#b", holds=True)),
        ([put(request("sent", 2))], Step("TransactWriteItems: request sent again", "acme", "key:a#b")),
        (
            [put(request("accepted")), RELEASE, put(JOB)],
            Step("TransactWriteItems: request accepted, release, job", "acme", "key:a#b", "j1", releases=True),
        ),
        (
            [{"Delete": {"Key": request("sent")}}, RELEASE],
            Step("TransactWriteItems: request delete, release", "acme", "key:a#b", releases=True),
        ),
        (
            [
                {"Update": {"Key": JOB, "UpdateExpression": "SET tracking = :tracking, polls = :polls REMOVE #open"}},
                {"Update": {"Key": STATE, "UpdateExpression": "SET jobs_timed = :count"}},
            ],
            Step("TransactWriteItems: job tracking, state", "acme", job_id="j1", ends_job=True),
        ),
    ],
    ids=["send", "send again", "accept", "give back", "end a job"],
)
def test_transactions(writes: list[dict[str, Any]], step: Step) -> None:
    body = json.dumps({"TransactItems": writes}).encode()

    assert aws_step("DynamoDB_20120810.TransactWriteItems", body, {}) == step


@pytest.mark.parametrize(
    ("target", "asked", "step"),
    [
        ("DynamoDB_20120810.GetItem", {"Key": JOB}, Step("GetItem: job", "acme", job_id="j1")),
        (
            "DynamoDB_20120810.GetItem",
            {"Key": {"pk": {"S": "finch"}, "sk": {"S": "pause"}}},
            Step("GetItem: pause"),
        ),
        (
            "DynamoDB_20120810.UpdateItem",
            {"Key": JOB, "UpdateExpression": "SET restarts = :next, due_at = :due_at"},
            Step("UpdateItem: job restarts", "acme", job_id="j1"),
        ),
        (
            "AWSStepFunctions.StartExecution",
            {"input": '{"connection": "acme", "job_id": "j1"}'},
            Step(START, "acme", job_id="j1"),
        ),
        (
            "AWSStepFunctions.DescribeExecution",
            {"executionArn": "arn:aws:states:r:0:execution:m:j1.2"},
            Step("DescribeExecution", "acme", job_id="j1"),
        ),
        ("secretsmanager.GetSecretValue", {"SecretId": "s"}, Step("GetSecretValue")),
    ],
)
def test_other_calls_to_aws(target: str, asked: dict[str, Any], step: Step) -> None:
    assert aws_step(target, json.dumps(asked).encode(), {"j1": "acme"}) == step


def test_calls_to_finch() -> None:
    assert finch_step("POST", "/sandbox/jobs", "acme", again=False).name == ENQUEUE
    assert finch_step("POST", "/sandbox/jobs", "acme", again=True).name == ENQUEUE_AGAIN
    assert finch_step("GET", "/jobs/automated?limit=25", "acme", again=False).name == LIST
    assert finch_step("GET", "/jobs/automated/j1", "acme", again=False) == Step(LOOK, "acme", job_id="j1")
