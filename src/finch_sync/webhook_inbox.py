"""Take in Finch's webhooks: check them, drop repetitions, and have a job that ended looked at now.

A webhook is a shortcut. It is believed only so far as to look sooner; that looking still goes on is what is relied on.
"""

import base64
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from finch_sync import answers
from finch_sync.clock import Clock
from finch_sync.connections import Connections
from finch_sync.jobs import is_job_id
from finch_sync.ledger import Answer
from finch_sync.store import Store
from finch_sync.tracking import Tracker
from finch_sync.triggers import HttpRequest
from finch_sync.webhooks import Forged, Signature, completed_job, verify

logger = Logger(child=True)

PATH = "/webhooks/finch"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookInbox:
    """Where Finch sends its webhooks."""

    store: Store
    connections: Connections
    tracker: Tracker
    now: Clock

    def receive(self, request: HttpRequest) -> Answer:
        """Answer a webhook. It costs two calls to AWS or four, and none to Finch."""
        if request.method != "POST":
            return answers.method_not_allowed("POST")
        try:
            body = _raw(request)
            signature = Signature.model_validate(
                {
                    "event_id": request.header("Finch-Event-Id"),
                    "timestamp": request.header("Finch-Timestamp"),
                    "signatures": request.header("Finch-Signature"),
                }
            )
            verify(signature, body, self.connections.webhook_secrets(), self.now())
        except (Forged, ValueError) as error:  # ValueError: headers or a body that cannot be read
            logger.warning("webhook refused", kind=type(error).__name__)
            return answers.webhook_refused()
        if self.store.sees_first(signature.event_id, self.now()):
            job_id = completed_job(body)
            logger.info("webhook received", event_id=signature.event_id, job_id=job_id)
            if job_id is not None and is_job_id(job_id):
                self._hurry(job_id, signature.event_id)
        return answers.webhook_received()

    def _hurry(self, job_id: str, event_id: str) -> None:
        try:
            self.tracker.hurry(job_id)
        except Exception:
            # Finch sends it again: then it must not pass for a repetition.
            self.store.forget_event(event_id)
            raise


def _raw(request: HttpRequest) -> bytes:
    body = request.body or ""
    return base64.b64decode(body, validate=True) if request.is_base64 else body.encode()
