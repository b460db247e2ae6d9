"""Which webhooks are Finch's."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from finch_sync.webhooks import TOLERANCE, Forged, Signature, completed_job, verify

# The example of Finch's own documentation.
SECRET = "5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH"
EVENT_ID = "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj"
TIMESTAMP = 1676312382
BODY = b'{"company_id":"720be419-0293-4d32-a707-32179b0827ab"}'
SIGNATURE = "v1,m7y0TV2C+hlHxU42wCieApTSTaA8/047OAplBqxIV/s="
SENT_AT = datetime.fromtimestamp(TIMESTAMP, UTC)
OTHER_SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def signed(signatures: str = SIGNATURE, event_id: str = EVENT_ID, timestamp: int = TIMESTAMP) -> Signature:
    return Signature(event_id=event_id, timestamp=str(timestamp), signatures=signatures)


def test_the_published_example_is_genuine() -> None:
    verify(signed(), BODY, [SECRET], SENT_AT)


@pytest.mark.parametrize("off", [-TOLERANCE, TOLERANCE])
def test_five_minutes_off_is_still_fresh(off: timedelta) -> None:
    verify(signed(), BODY, [SECRET], SENT_AT + off)


def test_one_of_several_signatures_and_secrets_is_enough_while_they_are_rotated() -> None:
    verify(signed(f"v1,AAAA v2,{SIGNATURE[3:]} {SIGNATURE}"), BODY, [OTHER_SECRET, SECRET], SENT_AT)


@pytest.mark.parametrize(
    ("signature", "body", "secret", "now"),
    [
        (signed(), BODY, OTHER_SECRET, SENT_AT),
        (signed(), BODY + b" ", SECRET, SENT_AT),
        (signed(), BODY, SECRET, SENT_AT + TOLERANCE + timedelta(seconds=1)),
        (signed(), BODY, SECRET, SENT_AT - TOLERANCE - timedelta(seconds=1)),
        (signed(event_id="msg_another"), BODY, SECRET, SENT_AT),
        (signed(timestamp=TIMESTAMP + 1), BODY, SECRET, SENT_AT),
        (signed(""), BODY, SECRET, SENT_AT),
        (signed(SIGNATURE.replace("v1", "v2")), BODY, SECRET, SENT_AT),
        (signed(SIGNATURE[3:]), BODY, SECRET, SENT_AT),
        (signed("v1,\u00e4"), BODY, SECRET, SENT_AT),
    ],
    ids=["secret", "body", "old", "future", "id", "timestamp", "none", "version", "no version", "non-ascii"],
)
def test_anything_altered_is_forged(signature: Signature, body: bytes, secret: str, now: datetime) -> None:
    with pytest.raises(Forged):
        verify(signature, body, [secret], now)


def test_without_a_secret_nothing_is_genuine() -> None:
    with pytest.raises(Forged):
        verify(signed(), BODY, [], SENT_AT)


def test_a_job_that_ended_is_named() -> None:
    event = {"event_type": "job.data_sync_all.completed", "connection_id": "c", "data": {"job_id": "j", "job_url": "u"}}
    assert completed_job(json.dumps(event).encode()) == "j"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"not json",
        b'{"event_type":"test","data":{"job_id":"j"}}',
        b'{"event_type":"account.updated","data":{"status":"reauth"}}',
        b'{"event_type":"job.data_sync_all.completed","data":null}',
    ],
)
def test_every_other_event_names_no_job(body: bytes) -> None:
    assert completed_job(body) is None
