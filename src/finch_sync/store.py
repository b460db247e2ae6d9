"""The records in DynamoDB. Nothing else knows how they are laid out.

One partition a connection, so that what belongs together changes together:

    connection#<name>  state            who holds it (`unresolved`), its quota as last told, what its jobs took
    connection#<name>  request#<key>    a request
    connection#<name>  job#<job_id>     a job
    finch              pause            until when nobody may call Finch
    finch              event#<id>       a webhook that was seen
    finch              seat#<number>    a caller who waits

Open requests and jobs carry `open`, which with `due_at` puts them into the sparse index that the sweep reads. Ended
ones carry `expires_at`, which DynamoDB deletes by.

Every change of state is one conditional write. Where it takes several items it is one transaction, whose client token
makes botocore's own retry of it harmless.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from finch_sync.clock import to_text
from finch_sync.finch import Quota
from finch_sync.jobs import Job, Report, Tracking
from finch_sync.ledger import Request, Source, State
from finch_sync.polling import UNKNOWN, Durations

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateTypeDef

REQUESTS_KEPT = timedelta(days=7)
"""How long an ended request answers for its idempotency key."""

JOBS_KEPT = timedelta(days=90)
EVENTS_KEPT = timedelta(days=1)
"""How long a webhook is remembered. Finch repeats one for about three hours (Finch developer guide, "Webhooks")."""

START_GRACE = timedelta(seconds=90)
"""How long a job may be without an execution before the sweep looks."""

_TRANSACTION_TRIES = 6
_PASSING = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
"""Why DynamoDB cancels a transaction that would go through a moment later, and botocore does not retry."""

Item = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Won:
    """The write happened, and this worker made it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """There is already a request of this key."""

    request: Request


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no request of this key any more: its worker gave it back, since nothing of it reached Finch."""


@dataclass(frozen=True, slots=True)
class Held:
    """Another request of this connection is unresolved."""

    key: str


@dataclass(frozen=True, slots=True)
class Due:
    """Something that the sweep has to look at."""

    connection: str
    kind: Literal["request", "job"]
    name: str


class Store:
    """The table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    # --- requests ----------------------------------------------------------------------------------------------------

    def claim(self, request: Request) -> Taken | Won:
        """Write down that a job is asked for, before anything is sent."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_packed(_request_item(request)),
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            return Taken(_request(_unpacked(_failed_item(error))))
        return Won()

    def send(self, request: Request) -> Won | Taken | Held:
        """Mark a request as sent, and its connection as held by it. The last thing before the POST.

        A new request and one that was only claimed are alike here: neither can have been sent.
        """
        return self._change(
            [
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": _packed(_request_item(request)),
                        "ConditionExpression": "attribute_not_exists(pk) OR #state = :claimed",
                        "ExpressionAttributeNames": {"#state": "state"},
                        "ExpressionAttributeValues": _packed({":claimed": State.CLAIMED}),
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
                {
                    "Update": {
                        "TableName": self._table,
                        "Key": _state_key(request.connection),
                        "UpdateExpression": "SET unresolved = :key",
                        "ConditionExpression": "attribute_not_exists(unresolved)",
                        "ExpressionAttributeValues": _packed({":key": request.key}),
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
            ],
            lambda failed: Taken(_request(failed[0])) if 0 in failed else Held(failed[1]["unresolved"]),
        )

    def step(self, seen: Request, stepped: Request) -> Won | Taken | Gone:
        """Move a request on that stays open and keeps its connection; of several workers that try, one wins."""
        return self._replace(seen, stepped, [])

    def give_back(self, seen: Request, claimed: Request | None) -> Won | Taken | Gone:
        """Undo a send that certainly did not reach Finch: back to claimed, or away altogether."""
        unlock = self._unlock(seen)
        if claimed is not None:
            return self._replace(seen, claimed, [unlock])
        return self._change(
            [
                {
                    "Delete": {
                        "TableName": self._table,
                        "Key": _request_key(seen.connection, seen.key),
                        "ConditionExpression": _UNCHANGED,
                        "ExpressionAttributeNames": {"#state": "state"},
                        "ExpressionAttributeValues": _as_seen(seen),
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
                unlock,
            ],
            lambda failed: _moved_on(failed[0]),
        )

    def end(
        self, seen: Request, ended: Request, *, now: datetime, quota: Quota, job: Job | None
    ) -> Won | Taken | Gone | Job:
        """Write down how a request ended, and let go of its connection: one transaction, with the job it brought.

        Returns:
            `Won`; `Taken` or `Gone` when another worker was first; the `Job` on record when that is followed already.
        """
        held = seen.state in {State.SENT, State.UNKNOWN}
        others = [self._unlock(seen, quota, now)] if held else []
        if job is not None:
            others.append(
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": _packed(_job_item(job, due_at=now + START_GRACE)),
                        "ConditionExpression": "attribute_not_exists(pk)",
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                }
            )
        return self._change(
            [self._replacement(seen, ended, expires_at=now + REQUESTS_KEPT), *others],
            lambda failed: _moved_on(failed[0]) if 0 in failed else _job(failed[2]),
        )

    def request(self, connection: str, key: str) -> Request | None:
        """A request, as it stands now."""
        item = self._get(_request_key(connection, key))
        return None if item is None else _request(item)

    def last_call(self, connection: str, *, since: datetime) -> Request | None:
        """The request over HTTP that was the connection's last to end, if that was since then and none came after it.

        None while another request holds the connection.
        """
        item = self._get(_state_key(connection)) or {}
        if "unresolved" in item or item.get("last_call_ended_at", "") < to_text(since):
            return None
        return self.request(connection, item["last_call"])

    def free(self, connection: str, key: str) -> None:
        """Let go of a connection whose holder is not on record (somebody deleted it by hand)."""
        self._change(
            [
                {
                    "ConditionCheck": {
                        "TableName": self._table,
                        "Key": _request_key(connection, key),
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                },
                {
                    "Update": {
                        "TableName": self._table,
                        "Key": _state_key(connection),
                        "UpdateExpression": "REMOVE unresolved",
                        "ConditionExpression": "unresolved = :key",
                        "ExpressionAttributeValues": _packed({":key": key}),
                    }
                },
            ],
            lambda _: (
                Won()
            ),  # the holder is back, or another worker was here first: either way there is nothing to free
        )

    # --- jobs --------------------------------------------------------------------------------------------------------

    def job(self, connection: str, job_id: str) -> Job | None:
        """A connection's job, if there is such a one."""
        item = self._get(_job_key(connection, job_id))
        return None if item is None else _job(item)

    def jobs(self, connection: str, *, limit: int, offset: int) -> list[Job]:
        """A connection's jobs, newest first."""
        wanted = offset + limit
        items: list[Item] = []
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="newest_jobs",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=_packed({":pk": _partition(connection)}),
            ScanIndexForward=False,
            ConsistentRead=True,
            PaginationConfig={"MaxItems": wanted},
        )
        for page in pages:
            items.extend(_unpacked(item) for item in page["Items"])
        return [_job(item) for item in items[offset:wanted]]

    def recorded(self, connection: str, job_ids: list[str]) -> set[str]:
        """Those of these jobs that are on record."""
        return {job_id for job_id in job_ids if self._get(_job_key(connection, job_id)) is not None}

    def report(self, connection: str, report: Report, *, polls: int) -> None:
        """Write down Finch's newest word on a job that goes on."""
        names, values = _reported(report)
        self._update_job(
            connection,
            report.job_id,
            "SET polls = :polls, " + ", ".join(f"#{n} = :{n}" for n in names),
            "tracking = :active",
            names,
            {":polls": polls, ":active": Tracking.ACTIVE} | values,
        )

    def end_tracking(
        self,
        connection: str,
        job_id: str,
        *,
        tracking: Tracking,
        reason: str | None,
        polls: int | None,
        report: Report | None,
        now: datetime,
        known: Durations | None = None,
    ) -> bool:
        """Write down that a job is followed no more, with Finch's last word if there is a new one.

        Args:
            connection: Whose job it is.
            job_id: The job.
            tracking: How our following of it ended.
            reason: Why, if not by Finch's final word.
            polls: How often it was looked at, if that is known.
            report: Finch's final word.
            now: The moment of this.
            known: What the connection's jobs took, this one among them. It is written in the same transaction, so that
                a job counts once, and left out if another job was counted meanwhile.

        Returns:
            Whether this call ended it; False when it had ended before.
        """
        names, values = _reported(report) if report is not None else ([], {})
        sets = [f"#{n} = :{n}" for n in names] + ["tracking = :tracking", "ended_at = :now", "expires_at = :expires"]
        values |= {
            ":tracking": tracking,
            ":now": to_text(now),
            ":expires": int((now + JOBS_KEPT).timestamp()),
            ":active": Tracking.ACTIVE,
        }
        if reason is not None:
            sets.append("tracking_reason = :reason")
            values[":reason"] = reason
        if polls is not None:
            sets.append("polls = :polls")
            values[":polls"] = polls
        expression = f"SET {', '.join(sets)} REMOVE #open"
        ending = self._job_update(connection, job_id, expression, "tracking = :active", [*names, "open"], values)
        if known is not None:
            match self._change([{"Update": ending}, self._learning(connection, known)], lambda failed: 0 in failed):
                case Won():
                    return True
                case True:
                    return False
        return self._update(ending)

    def durations(self, connection: str) -> Durations:
        """What a connection's jobs took. One cheap read a job: no write of several items returns what it found."""
        item = self._get(_state_key(connection), consistent=False) or {}
        try:
            return Durations(int(item["jobs_timed"]), float(item["duration_mean"]), float(item["duration_variance"]))
        except (KeyError, ValueError, TypeError, ArithmeticError):
            return UNKNOWN

    def restart(self, job: Job, *, now: datetime, died: bool) -> bool:
        """Count one more execution for a job, whose last died or is replaced; of several workers that try, one wins."""
        return self._update_job(
            job.connection,
            job.job_id,
            "SET restarts = :next, deaths = :deaths, due_at = :due_at",
            "tracking = :active AND restarts = :seen",
            [],
            {
                ":next": job.restarts + 1,
                ":seen": job.restarts,
                ":deaths": job.deaths + died,
                ":active": Tracking.ACTIVE,
                ":due_at": to_text(now + START_GRACE),
            },
        )

    def reopen(self, job: Job, *, now: datetime, deadline: datetime) -> bool:
        """Follow a job again that was given up, because Finch says that it still runs."""
        return self._update_job(
            job.connection,
            job.job_id,
            "SET tracking = :active, restarts = :next, deadline = :deadline, #open = :job, due_at = :due_at "
            "REMOVE tracking_reason, ended_at, expires_at",
            "tracking = :seen AND restarts = :restarts",
            ["open"],
            {
                ":active": Tracking.ACTIVE,
                ":seen": job.tracking,
                ":restarts": job.restarts,
                ":next": job.restarts + 1,
                ":deadline": to_text(deadline),
                ":job": "job",
                ":due_at": to_text(now + START_GRACE),
            },
        )

    def look_again(self, job: Job, *, at: datetime) -> None:
        """Move the moment at which the sweep looks at a job again."""
        values = {":at": to_text(at), ":active": Tracking.ACTIVE}
        self._update_job(job.connection, job.job_id, "SET due_at = :at", "tracking = :active", [], values)

    # --- the sweep, the pause, the quota -----------------------------------------------------------------------------

    def due(self, now: datetime, kind: Literal["request", "job"], limit: int) -> list[Due]:
        """Open requests or jobs that should have moved by now, longest due first: from the index, never a scan."""
        answer = self._client.query(
            TableName=self._table,
            IndexName="open_work",
            KeyConditionExpression="#open = :kind AND due_at <= :now",
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues=_packed({":kind": kind, ":now": to_text(now)}),
            Limit=limit,
        )
        items = map(_unpacked, answer["Items"])
        return [
            Due(item["pk"].removeprefix("connection#"), kind, item["sk"].removeprefix(f"{kind}#")) for item in items
        ]

    def paused_until(self) -> datetime | None:
        """Until when nobody may call Finch, if Finch ever said so."""
        item = self._get(_packed(_PAUSE))
        return None if item is None else datetime.fromisoformat(item["until"])

    def pause(self, until: datetime, reason: str) -> None:
        """Tell every caller and poller to leave Finch alone."""
        self._client.put_item(
            TableName=self._table,
            Item=_packed(_PAUSE | {"until": to_text(until), "reason": reason, "expires_at": int(until.timestamp())}),
        )

    def sees_first(self, event_id: str, now: datetime) -> bool:
        """Note a webhook's event. Whether this is its first delivery."""
        item = {"pk": "finch", "sk": f"event#{event_id}", "expires_at": int((now + EVENTS_KEPT).timestamp())}
        return self._put_if(item, "attribute_not_exists(pk)", {})

    def forget_event(self, event_id: str) -> None:
        """Take a webhook's next delivery for the first."""
        self._client.delete_item(TableName=self._table, Key=_packed({"pk": "finch", "sk": f"event#{event_id}"}))

    def take_seat(self, seat: int, *, now: datetime, until: datetime) -> bool:
        """Take one of the seats for callers who wait; one whose holder died is free when its time is over."""
        item = {"pk": "finch", "sk": f"seat#{seat}", "until": to_text(until), "expires_at": int(until.timestamp())}
        return self._put_if(item, "attribute_not_exists(pk) OR #until < :now", {":now": to_text(now)})

    def leave_seat(self, seat: int) -> None:
        """Free a seat."""
        self._client.delete_item(TableName=self._table, Key=_packed({"pk": "finch", "sk": f"seat#{seat}"}))

    def quota(self, connection: str, *, since: datetime) -> Quota | None:
        """A connection's refreshes as Finch last told them, if it did since then."""
        item = self._get(_state_key(connection)) or {}
        if item.get("quota_told_at", "") < to_text(since):
            return None
        return Quota(int(item["allowed_refreshes"]), int(item["remaining_refreshes"]))

    # --- the parts ---------------------------------------------------------------------------------------------------

    def _get(self, key: Item, *, consistent: bool = True) -> Item | None:
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=consistent).get("Item")
        return None if item is None else _unpacked(item)

    def _put_if(self, item: Item, condition: str, values: Item) -> bool:
        """Put an item, if its condition holds."""
        arguments: dict[str, Any] = {}
        if values:
            arguments = {"ExpressionAttributeNames": {"#until": "until"}, "ExpressionAttributeValues": _packed(values)}
        try:
            self._client.put_item(TableName=self._table, Item=_packed(item), ConditionExpression=condition, **arguments)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _replace(self, seen: Request, changed: Request, others: "list[TransactWriteItemTypeDef]") -> Won | Taken | Gone:
        return self._change(
            [self._replacement(seen, changed), *others],
            lambda failed: _moved_on(failed[0]),
        )

    def _replacement(
        self, seen: Request, changed: Request, expires_at: datetime | None = None
    ) -> "TransactWriteItemTypeDef":
        item = _request_item(changed)
        if expires_at is not None:
            item["expires_at"] = int(expires_at.timestamp())
        return {
            "Put": {
                "TableName": self._table,
                "Item": _packed(item),
                "ConditionExpression": _UNCHANGED,
                "ExpressionAttributeNames": {"#state": "state"},
                "ExpressionAttributeValues": _as_seen(seen),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _unlock(
        self, seen: Request, quota: Quota | None = None, now: datetime | None = None
    ) -> "TransactWriteItemTypeDef":
        told: Item = {}
        if now is not None and seen.source is Source.HTTP:
            told |= {"last_call": seen.key, "last_call_ended_at": to_text(now)}
        if quota is not None and now is not None and quota.allowed is not None and quota.remaining is not None:
            told |= {
                "allowed_refreshes": quota.allowed,
                "remaining_refreshes": quota.remaining,
                "quota_told_at": to_text(now),
            }
        sets = "SET " + ", ".join(f"{name} = :{name}" for name in told) + " " if told else ""
        return {
            "Update": {
                "TableName": self._table,
                "Key": _state_key(seen.connection),
                "UpdateExpression": sets + "REMOVE unresolved",
                # A lock that somebody deleted by hand keeps no job off the record.
                "ConditionExpression": "unresolved = :key OR attribute_not_exists(unresolved)",
                "ExpressionAttributeValues": _packed(
                    {":key": seen.key} | {f":{n}": value for n, value in told.items()}
                ),
            }
        }

    def _change(self, items: "list[TransactWriteItemTypeDef]", lost: Callable[[dict[int, Item]], T]) -> T | Won:
        """Write all of the items or none.

        ``lost`` gets those whose condition failed, by position, each as it stands on record.
        """
        for attempt in range(_TRANSACTION_TRIES):
            try:
                self._client.transact_write_items(TransactItems=items)
            except self._client.exceptions.TransactionCanceledException as error:
                reasons = error.response["CancellationReasons"]
                failed = {
                    position: _unpacked(reason.get("Item") or {})
                    for position, reason in enumerate(reasons)
                    if reason.get("Code") == "ConditionalCheckFailed"
                }
                if failed:
                    return lost(failed)
                if attempt + 1 == _TRANSACTION_TRIES or not any(reason.get("Code") in _PASSING for reason in reasons):
                    raise
                # Two workers at the same items: DynamoDB lets neither wait for the other, so one comes back.
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret
            else:
                break
        return Won()

    def _learning(self, connection: str, known: Durations) -> "TransactWriteItemTypeDef":
        """The write of what was learned, if nobody learned anything since."""
        seen = "attribute_not_exists(jobs_timed)" if known.count == 1 else "jobs_timed = :seen"
        values = {":count": known.count, ":mean": _decimal(known.mean), ":variance": _decimal(known.variance)}
        return {
            "Update": {
                "TableName": self._table,
                "Key": _state_key(connection),
                "UpdateExpression": "SET jobs_timed = :count, duration_mean = :mean, duration_variance = :variance",
                "ConditionExpression": seen,
                "ExpressionAttributeValues": _packed(
                    values if known.count == 1 else values | {":seen": known.count - 1}
                ),
            }
        }

    def _update_job(
        self, connection: str, job_id: str, expression: str, condition: str, names: list[str], values: Item
    ) -> bool:
        return self._update(self._job_update(connection, job_id, expression, condition, names, values))

    def _job_update(
        self, connection: str, job_id: str, expression: str, condition: str, names: list[str], values: Item
    ) -> "UpdateTypeDef":
        update: UpdateTypeDef = {
            "TableName": self._table,
            "Key": _job_key(connection, job_id),
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": _packed(values),
        }
        return update | {"ExpressionAttributeNames": {f"#{n}": n for n in names}} if names else update

    def _update(self, update: "UpdateTypeDef") -> bool:
        """Write one item, if its condition holds."""
        try:
            self._client.update_item(**update)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


_PAUSE: Item = {"pk": "finch", "sk": "pause"}
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def _packed(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _serialize(value) for name, value in item.items() if value is not None}


def _unpacked(item: Mapping[str, Any]) -> Item:
    return {name: _deserialize(value) for name, value in item.items()}


def _decimal(number: float) -> Decimal:
    return Decimal(f"{number:.6f}")


def _failed_item(error: ClientError) -> Item:
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        raise error
    item: Item = error.response["Item"]  # type: ignore[typeddict-item] # botocore-stubs leave it out
    return item


def _partition(connection: str) -> str:
    return f"connection#{connection}"


def _state_key(connection: str) -> Item:
    return _packed({"pk": _partition(connection), "sk": "state"})


def _request_key(connection: str, key: str) -> Item:
    return _packed({"pk": _partition(connection), "sk": f"request#{key}"})


def _job_key(connection: str, job_id: str) -> Item:
    return _packed({"pk": _partition(connection), "sk": f"job#{job_id}"})


def _request_item(request: Request) -> Item:
    item = {"pk": _partition(request.connection), "sk": f"request#{request.key}", **request.model_dump()}
    return item if request.ended else item | {"open": "request"}


def _request(item: Item) -> Request:
    return Request.model_validate(item)


def _moved_on(item: Item) -> Taken | Gone:
    return Taken(_request(item)) if item else Gone()


def _job_item(job: Job, *, due_at: datetime) -> Item:
    return {
        "pk": _partition(job.connection),
        "sk": f"job#{job.job_id}",
        **job.model_dump(),
        "open": "job",
        "due_at": to_text(due_at),
    }


def _job(item: Item) -> Job:
    return Job.model_validate(item)


def _reported(report: Report) -> tuple[list[str], Item]:
    """What of a report to write: what Finch left out does not undo what it said before."""
    fields = {name: value for name, value in report.model_dump(exclude={"job_id"}).items() if value is not None}
    return list(fields), {f":{name}": value for name, value in fields.items()}


_UNCHANGED = "#state = :seen AND posts = :posts AND due_at = :due_at"
"""The condition that nobody has moved a request on since it was read: no step keeps state, posts and due date."""


def _as_seen(request: Request) -> Item:
    return _packed({":seen": request.state, ":posts": request.posts, ":due_at": to_text(request.due_at)})
