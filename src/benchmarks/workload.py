"""What a benched function is asked, and what the services that it calls answer."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.endpoints import Answers

CALLER_TOKEN = "a-caller-token-of-acme"  # noqa: S105 - of a benchmark
JOB_ID = "6a4e2f6c-0f0e-4f3b-9a52-7d1d0e3c8b11"


def answers() -> Answers:
    """What AWS and Finch answer: an enqueue is accepted, a look finds the job as it was."""
    secret = {
        "connections": {
            "acme": {
                "finch_token": "a-finch-token",
                "callers": [{"sha256": hashlib.sha256(CALLER_TOKEN.encode()).hexdigest()}],
            }
        }
    }
    now = _text(datetime.now(UTC))
    return {
        "secretsmanager": {"GetSecretValue": {"ARN": "a", "Name": "connections", "SecretString": json.dumps(secret)}},
        "dynamodb": {"GetItem": {}, "TransactWriteItems": {}, "PutItem": {}, "UpdateItem": {}},
        "states": {"StartExecution": {"executionArn": "arn:aws:states:us-east-1:0:execution:x:y", "startDate": 1.0}},
        "finch": {
            "POST /sandbox/jobs": {
                "job_id": JOB_ID,
                "job_url": f"https://api.tryfinch.com/jobs/automated/{JOB_ID}",
                "allowed_refreshes": 100,
                "remaining_refreshes": 99,
            },
            f"GET /jobs/automated/{JOB_ID}": {
                "job_id": JOB_ID,
                "job_url": f"https://api.tryfinch.com/jobs/automated/{JOB_ID}",
                "type": "data_sync_all",
                "status": "in_progress",
                "created_at": now,
                "scheduled_at": None,
                "started_at": now,
                "completed_at": None,
                "params": None,
            },
        },
    }


def enqueue(number: int = 0) -> dict[str, Any]:
    """A caller's POST, as API Gateway hands it over."""
    request_id = f"00000000-0000-4000-8000-{number:012d}"
    return {
        "resource": "/sandbox/jobs",
        "path": "/sandbox/jobs",
        "httpMethod": "POST",
        "headers": {"Authorization": f"Bearer {CALLER_TOKEN}", "Content-Type": "application/json"},
        "queryStringParameters": None,
        "pathParameters": None,
        "requestContext": {
            "requestId": request_id,
            "path": "/v1/sandbox/jobs",
            "stage": "v1",
            "domainName": "api.example",
            "httpMethod": "POST",
            "resourcePath": "/sandbox/jobs",
        },
        "body": '{"type":"data_sync_all"}',
        "isBase64Encoded": False,
    }


def poll() -> dict[str, Any]:
    """The state machine's look at a job that runs."""
    now = datetime.now(UTC)
    return {
        "poll": {
            "connection": "acme",
            "job_id": JOB_ID,
            "accepted_at": _text(now - timedelta(minutes=3)),
            "deadline": _text(now + timedelta(hours=6)),
            "status": "in_progress",
            "polls": 3,
            "not_found": 0,
            "wait_seconds": 30,
            "known": {"count": 3, "mean": 6.0, "variance": 0.3},
        }
    }


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
