"""A consumer of the completion events: a queue that a rule on a bus sends to."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class Subscription:
    """A rule's queue."""

    queue_url: str
    sqs: SQSClient

    def take(self) -> list[dict[str, Any]]:
        """The events that are there now, each as EventBridge delivers it; they are gone afterwards."""
        events = []
        while taken := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in taken:
                events.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return events

    def next(self, count: int = 1, seconds: float = 20) -> list[dict[str, Any]]:
        """The next events, once there are so many, or what there is when the time is up."""
        events: list[dict[str, Any]] = []
        deadline = time.monotonic() + seconds
        while len(events) < count and time.monotonic() < deadline:
            events += self.take()
            time.sleep(0.05)
        return events


@contextmanager
def subscribed(session: boto3.Session, endpoint_url: str, bus: str, pattern: dict[str, Any]) -> Iterator[Subscription]:
    """A subscription to the events of a bus that match a pattern, as long as the block lasts."""
    sqs = session.client("sqs", endpoint_url=endpoint_url)
    events = session.client("events", endpoint_url=endpoint_url)
    name = f"consumer-{uuid4().hex[:12]}"
    queue_url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    try:
        yield Subscription(queue_url, sqs)
    finally:
        events.remove_targets(Rule=name, EventBusName=bus, Ids=["queue"])
        events.delete_rule(Name=name, EventBusName=bus)
        sqs.delete_queue(QueueUrl=queue_url)
