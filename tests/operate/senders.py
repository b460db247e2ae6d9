"""Whoever sends webhooks to the function: Finch, or somebody who would like to be taken for it."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from finch_sandbox.credentials import MARK
from finch_sandbox.webhooks import signed_headers
from finch_sync.webhook_inbox import PATH
from tests.unit.callers import Answered, answered, proxy_event
from tests.world import World

SECRET = MARK + "d2hhdCBmaW5jaCBzaWducyB3aXRoLi4="
OTHER_SECRET = MARK + "d2hhdCBzb21lYm9keSBlbHNlIGhhcy4="


@dataclass(frozen=True)
class Webhook:
    """One delivery, as it is on the wire."""

    headers: dict[str, str]
    body: str

    def send(self, world: World, **event: Any) -> Answered:
        """What the function answers to it."""
        given = {"body": self.body, "headers": self.headers} | event
        return answered(world, proxy_event("POST", PATH, **given))


def completion(
    world: World, job_id: str, *, secret: str = SECRET, event_id: str | None = None, sent_ago: float = 0, **fields: Any
) -> Webhook:
    """The webhook that Finch sends when this job has ended."""
    event = {
        "company_id": str(uuid4()),
        "account_id": str(uuid4()),
        "connection_id": str(uuid4()),
        "entity_id": None,
        "event_type": "job.data_sync_all.completed",
        "data": {"job_id": job_id, "job_url": f"https://api.tryfinch.com/jobs/automated/{job_id}"},
        **fields,
    }
    body = json.dumps(event)
    at = world.clock.timestamp() - sent_ago
    return Webhook(signed_headers(event_id or f"msg_{uuid4().hex}", body, at, [secret]), body)


def put_secrets(world: World, *webhook_secrets: str) -> None:
    """Put webhook secrets beside the connections, as an operator would; the function knows them when it next reads."""
    held = json.loads(world.aws.secretsmanager.get_secret_value(SecretId=world.secret)["SecretString"])
    edited = json.dumps(held | {"webhook_secrets": webhook_secrets})
    world.aws.secretsmanager.put_secret_value(SecretId=world.secret, SecretString=edited)
