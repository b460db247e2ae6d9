"""Waiting until nothing is open any more."""

import contextlib
import time
from datetime import datetime, timedelta
from typing import Any

from fault_campaign.drive import Drive
from fault_campaign.site import Site

_LOOK_EVERY_SECONDS = 2.0
_QUIET_SECONDS = 1.5
"""Longer than any pause that a worker makes between two calls of a hurried campaign."""

_AGED_BY = timedelta(seconds=120)
"""Longer than the lease of a request, and than the grace of a job that has no execution."""


def settle(site: Site, drive: Drive, seconds: float, *, age: bool) -> bool:
    """Wait until every request and job has ended and no execution runs.

    Args:
        site: the site.
        drive: what sweeps it.
        seconds: how long to wait at most.
        age: whether to age what is open instead of waiting for its lease to run out.

    Returns:
        Whether it came to that in time.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        open_items = [item for item in site.records() if "open" in item]
        if not open_items and not site.any_execution_runs():
            return True
        if age:
            for item in open_items:
                if site.journal.quiet_seconds(str(item["pk"]).removeprefix("connection#")) >= _QUIET_SECONDS:
                    _age(site, item)
        drive.sweep()
        time.sleep(0.2 if age else _LOOK_EVERY_SECONDS)
    return False


def _age(site: Site, item: dict[str, Any]) -> None:
    """Let time pass for one record.

    With no worker left that could act on it, a lease that ran out and one that is written down as older are the same.
    """
    times = [name for name in ("sent_at", "due_at") if name in item]
    with contextlib.suppress(site.table.meta.client.exceptions.ConditionalCheckFailedException):  # it has moved on
        site.table.update_item(
            Key={"pk": item["pk"], "sk": item["sk"]},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in times),
            ConditionExpression="attribute_exists(#open) AND due_at = :seen",
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues={":seen": item["due_at"]} | {f":{name}": _earlier(item[name]) for name in times},
        )


def _earlier(moment: str) -> str:
    aged = datetime.fromisoformat(moment) - _AGED_BY
    return aged.isoformat(timespec="milliseconds").replace("+00:00", "Z")
