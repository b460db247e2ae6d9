"""What Finch's documentation leaves open, looked at: each answer in the words of the local sandbox's setting for it."""

import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from finch_sync.jobs import TERMINAL_STATUSES
from tests.live.upstream import Reply, Upstream

NOT_SEEN = "not seen"
REFRESHES = 8
"""How many refreshes it spends at most, if the quota has them: it goes on until the quota refuses."""

QUESTIONS = {
    "version_header": "is a request without Finch-API-Version refused",
    "invalid_request": "which error answers a type that does not exist",
    "unknown_job_body": "what is in the 404 of a job that does not exist",
    "created_status": "which status a new job is answered with",
    "allowed_refreshes": "how many refreshes a window allows",
    "job_id_shape": "are job ids bare UUIDs",
    "duplicate_while_running": "what another POST does while a job runs",
    "configuration_scope": "does a configured end hold for other connections too",
    "configuration_applies": "does a job that runs already take a newly configured end",
    "configuration_lasts": "does a configured end serve one job or all that follow",
    "pending_seconds": "how long a job is pending",
    "in_progress_seconds": "how long a job is in progress",
    "empty_fields": "is a field without a value null or left out",
    "started_at": "when does started_at get its value",
    "timestamps": "how precise are times",
    "job_url_of_retrieved": "how a retrieved job's job_url begins",
    "list_shows_sandbox_jobs": "are sandbox jobs in the list of automated jobs",
    "list_paging": "has the list an object for paging",
    "list_quotas": "does the list tell the quota",
    "list_max_limit": "is a very large limit taken",
    "other_connections_job": "which status another connection's job is answered with",
    "reauth_error_flips_introspect": "does a job's reauth_error show in /introspect",
    "over_quota": "is a POST refused when no refresh is left",
    "quota_retry_at": "does that refusal say when to try again",
    "window_anchor": "when does a quota window begin",
    "assisted_job": "are an assisted connection's job fields null or left out",
    "assisted_refreshes": "what an assisted connection's answer says of refreshes",
    "assisted_spends_quota": "does an assisted connection's call use a refresh",
    "wrong_token": "which error answers a token that never was one",
    "bad_configuration": "which error answers a completion status that does not exist",
    "production_endpoint": "may a sandbox token call POST /jobs/automated",
    "hints": "which headers hint at limits or at when to try again",
}

UNSEEN = {
    "duration": "needs many jobs",
    "seed": "the sandbox's own",
    "completion_status": "how jobs end before anybody configured it: the first look of a new connection would tell",
    "window_seconds": "an hour is published",
    "revoked_credential": "needs a token to be revoked for good",
    "list_default_limit": "needs more than a hundred jobs",
    "job_url_base": "the sandbox's own",
    "retention_seconds": "needs weeks",
}
"""Settings that nobody can see the real value of in one run."""


@dataclass(frozen=True)
class Observation:
    """One open question, what was seen, and the setting that models it, if any does."""

    name: str
    seen: Any

    @property
    def question(self) -> str:
        """The question, in words."""
        return QUESTIONS[self.name]


def observe(upstream: Upstream) -> list[Observation]:
    """Look at everything that one connection, and the others if given, can show."""
    seen: dict[str, Any] = dict.fromkeys(QUESTIONS, NOT_SEEN)
    seen |= _refusals(upstream)
    seen |= _a_job(upstream)
    seen |= _configured_ends(upstream)
    seen |= _assisted(upstream)
    seen |= _no_refresh_left(upstream)
    upstream.configure("complete")
    seen["hints"] = ", ".join(sorted(upstream.hints)) or "none"
    return [Observation(name, value) for name, value in seen.items()]


def _refusals(upstream: Upstream) -> dict[str, Any]:
    sandbox = upstream.call("GET", "/sandbox/jobs/configuration", version=None)
    jobs = upstream.call("GET", "/jobs/automated", version=None)
    unknown = upstream.job(str(uuid.uuid4()))
    wrong = upstream.call("GET", "/jobs/automated", token=str(uuid.uuid4()))
    nonsense = upstream.call("POST", "/sandbox/jobs", {"type": "nonsense"})
    unknown_end = upstream.configure("nonsense")
    version = {
        (True, True): "ignored",
        (True, False): "required_where_documented",
        (False, False): "required_everywhere",
    }
    return {
        "version_header": version.get((sandbox.status == 200, jobs.status == 200), f"{sandbox.status}, {jobs.status}"),
        "invalid_request": _error(nonsense),
        "bad_configuration": _error(unknown_end),
        "wrong_token": _error(wrong),
        "unknown_job_body": "empty"
        if unknown.body is None
        else ("superset" if unknown.field("finch_code") else "without_finch_code"),
    }


def _a_job(upstream: Upstream) -> dict[str, Any]:
    upstream.configure("complete")
    created = upstream.enqueue()
    job_id = created.field("job_id")
    if not job_id:
        return {}
    pending = upstream.job(job_id)
    seen: dict[str, Any] = {
        "created_status": created.status,
        "allowed_refreshes": created.field("allowed_refreshes"),
        "job_id_shape": "uuid" if _is_uuid(job_id) else "prefixed",
    }
    if pending.field("status") == "pending":
        seen["started_at"] = "created" if pending.field("started_at") else "in_progress"
    if pending.field("status") in {"pending", "in_progress"}:
        again = upstream.call("POST", "/sandbox/jobs", {"type": "data_sync_all"})
        if again.status < 300:
            same = "same_job_202" if again.status == 202 else "same_job"
            seen["duplicate_while_running"] = same if again.field("job_id") == job_id else "new_job"
        seen["empty_fields"] = "null" if "completed_at" in pending.body else "absent"
        upstream.configure("error")
        if upstream.other_token:
            others = upstream.call("GET", "/sandbox/jobs/configuration", token=upstream.other_token)
            seen["configuration_scope"] = "application" if "error" in str(others.body) else "connection"
    looks = [pending, *upstream.follow(job_id)]
    last = looks[-1]
    if "empty_fields" in seen and last.field("status") in TERMINAL_STATUSES:
        seen["configuration_applies"] = "at_completion" if last.field("status") == "error" else "at_enqueue"
    times = Counter(look.field("status") for look in looks[1:])
    seen["pending_seconds"], seen["in_progress_seconds"] = times["pending"], times["in_progress"]
    if last.field("created_at"):
        seen["timestamps"] = "milliseconds" if "." in last.field("created_at") else "seconds"
    if last.field("job_url"):
        seen["job_url_of_retrieved"] = "jobs" if "/jobs/automated/" in last.field("job_url") else "job"
    if upstream.other_token:
        seen["other_connections_job"] = upstream.job(job_id, token=upstream.other_token).status
    return seen | _the_list(upstream, job_id)


def _the_list(upstream: Upstream, job_id: str) -> dict[str, Any]:
    listed = upstream.call("GET", "/jobs/automated")
    large = upstream.call("GET", "/jobs/automated?limit=1000000")
    if listed.status != 200:
        return {}
    return {
        "list_shows_sandbox_jobs": any(each.get("job_id") == job_id for each in listed.body["data"]),
        "list_paging": "paging" if "paging" in listed.body else ("empty_key" if "" in listed.body else "absent"),
        "list_quotas": "quotas" in listed.body.get("meta", {}),
        "list_max_limit": None if large.status == 200 else large.status,
    }


def _configured_ends(upstream: Upstream) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    upstream.configure("error")
    if job_id := upstream.enqueue().field("job_id"):
        upstream.follow(job_id)
        left = upstream.call("GET", "/sandbox/jobs/configuration")
        seen["configuration_lasts"] = "persistent" if "'error'" in str(left.body) else "one_shot"
    upstream.configure("reauth_error")
    if (job_id := upstream.enqueue().field("job_id")) and _ended(upstream.follow(job_id)[-1]):
        status = (upstream.call("GET", "/introspect").field("connection_status") or {}).get("status")
        seen["reauth_error_flips_introspect"] = status == "reauth"
    upstream.configure("complete")
    return seen


def _assisted(upstream: Upstream) -> dict[str, Any]:
    if upstream.assisted_token is None:
        return {}
    first, second = (upstream.enqueue(token=upstream.assisted_token) for _ in range(2))
    if first.status >= 300:
        return {}
    told = [reply.field("remaining_refreshes") for reply in (first, second)]
    return {
        "assisted_job": "null" if "job_id" in first.body else "absent",
        "assisted_refreshes": "absent"
        if "remaining_refreshes" not in first.body
        else ("null" if told[0] is None else "numbers"),
        "assisted_spends_quota": told[0] != told[1] if None not in told else NOT_SEEN,
    }


def _no_refresh_left(upstream: Upstream) -> dict[str, Any]:
    """Use up what is left, a job after the other, until Finch refuses or has gone on without a refresh to spend."""
    for _ in range(REFRESHES):
        reply = upstream.call("POST", "/sandbox/jobs", {"type": "data_sync_all"})
        if reply.status == 429:
            retry_at = reply.field("retry_at")
            seen = {"over_quota": "reject", "quota_retry_at": "present" if retry_at else "absent"}
            if retry_at:
                at = datetime.fromisoformat(retry_at)
                seen["window_anchor"] = "clock_hour" if (at.minute, at.second) == (0, 0) else "first_use"
            return seen | {"production_endpoint": _error(_production(upstream))}
        if reply.status >= 300:
            break
        upstream.follow(str(reply.field("job_id")))
        listed = reply.field("remaining_refreshes")
        if listed == 0:
            beyond = upstream.call("POST", "/sandbox/jobs", {"type": "data_sync_all"})
            if beyond.status < 300:
                return {"over_quota": "accept", "production_endpoint": _error(_production(upstream))}
    return {}


def _production(upstream: Upstream) -> Reply:
    return upstream.call("POST", "/jobs/automated", {"type": "data_sync_all"})


def _error(reply: Reply) -> str:
    return f"{reply.status}_{reply.field('name')}" if reply.field("name") else str(reply.status)


def _ended(reply: Reply) -> bool:
    return reply.field("status") in TERMINAL_STATUSES


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
