"""What the document says of events, against what is sent."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from finch_sync.announcements import SOURCE, Announcer, Detail, announcement
from finch_sync.jobs import Job, Tracking
from tests.docs.shell import PROJECT, block_with
from tests.world import Aws

EVENTS = "docs/events.md"
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def job(status: str, tracking: Tracking = Tracking.DONE, connection: str = "acme") -> Job:
    return Job(
        connection=connection,
        job_id="6bdd2c3c-7f4a-4f0e-9f0e-0b9a4b6e3f10",
        status=status,
        tracking=tracking,
        created_at=START,
        started_at=START + timedelta(seconds=2),
        completed_at=START + timedelta(seconds=6),
        accepted_at=START,
        deadline=START + timedelta(hours=6),
        polls=3,
    )


def documented(part: str) -> Any:
    return json.loads(block_with(EVENTS, part, "json"))


def test_the_example_is_what_is_sent() -> None:
    sent = announcement(job("reauth_error"))
    assert documented('"version"') == {
        "source": SOURCE,
        "detail-type": sent.detail_type,
        "detail": json.loads(sent.detail),
    }


def test_every_field_of_the_detail_is_in_the_table_and_no_other() -> None:
    rows = re.findall(
        r"^\| (`\w+`(?:, `\w+`)*) \| (?:string|integer|time|`)", (PROJECT / EVENTS).read_text(), re.MULTILINE
    )
    assert {name for row in rows for name in re.findall(r"\w+", row)} == set(Detail.model_fields)


@pytest.mark.parametrize(
    ("status", "tracking"),
    [
        ("complete", Tracking.DONE),
        ("error", Tracking.DONE),
        ("reauth_error", Tracking.DONE),
        ("permissions_error", Tracking.DONE),
        ("pending", Tracking.TIMED_OUT),
        ("pending", Tracking.LOST),
    ],
)
def test_every_detail_type_is_in_the_table(status: str, tracking: Tracking) -> None:
    assert f"| `{announcement(job(status, tracking)).detail_type}` |" in (PROJECT / EVENTS).read_text()


@pytest.mark.xdist_group("emulator")
def test_the_sample_rule_takes_what_it_says_and_leaves_the_rest(emulated_aws: Aws) -> None:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    queues = session.client("sqs", endpoint_url=emulated_aws.endpoint_url)
    events = session.client("events", endpoint_url=emulated_aws.endpoint_url)
    bus = f"bus-{uuid4()}"
    events.create_event_bus(Name=bus)
    queue = queues.create_queue(QueueName=f"trouble-{uuid4()}")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps(documented('"detail-type": ["'))
    events.put_rule(Name="trouble", EventBusName=bus, EventPattern=pattern)
    events.put_targets(Rule="trouble", EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])

    announcer = Announcer(events, bus)
    for each in (
        job("complete"),
        job("reauth_error"),
        job("error", connection="globex"),
        job("pending", Tracking.LOST),
        job("error", connection="somebody-else"),
    ):
        announcer.send(announcement(each))

    taken = []
    while messages := queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        for message in messages:
            taken.append(json.loads(message["Body"]))
            queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert sorted((each["detail-type"], each["detail"]["connection"]) for each in taken) == [
        ("Finch Sync Action Required", "acme"),
        ("Finch Sync Failed", "globex"),
        ("Finch Sync Tracking Lost", "acme"),
    ]
