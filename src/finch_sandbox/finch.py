"""What Finch does when it is asked: jobs, quotas, configuration and introspection of connections.

Follows Finch's API reference (Sandbox and Automated Jobs); every gap in it is a setting.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from pydantic import JsonValue

from finch_sandbox import errors, quota
from finch_sandbox.errors import RefusedError
from finch_sandbox.jobs import Job, draw_durations
from finch_sandbox.ledger import Effect
from finch_sandbox.settings import Settings, SettingsBook, TerminalStatus
from finch_sandbox.store import Connection, ConnectionKind, Store
from finch_sandbox.times import rfc3339

APPLICATION_SCOPE = "application"


@dataclass(frozen=True)
class Caller:
    """The connection that a request's token opened."""

    connection: str
    kind: ConnectionKind
    token: str


@dataclass(frozen=True)
class Outcome:
    """An answer, and what was done to give it."""

    status: int
    body: JsonValue
    effect: Effect = "none"
    job_id: str | None = None


class Finch:
    """Finch, for every connection. Its clock tells seconds since the epoch."""

    def __init__(self, store: Store, settings: SettingsBook, clock: Callable[[], float]) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock

    def connection_of(self, authorization: str | None) -> str | None:
        """Whose Authorization header it is, even if its token was revoked."""
        credential = self.store.credential(_bearer_token(authorization))
        return None if credential is None else credential.connection

    def authenticate(self, authorization: str | None) -> Caller:
        """The connection that an Authorization header opens.

        Raises:
            RefusedError: 401, in the variant that fits.
        """
        token = _bearer_token(authorization)
        if not token:
            raise RefusedError(errors.NO_AUTHENTICATION)
        credential = self.store.credential(token)
        if credential is None:
            raise RefusedError(errors.INVALID_TOKEN)
        if credential.revoked:
            answer = self.settings.of(credential.connection).revoked_credential
            raise RefusedError(errors.INVALID_TOKEN if answer == "invalid_token" else errors.REAUTHENTICATE_USER)
        return Caller(credential.connection, credential.kind, token)

    def enqueue(self, caller: Caller, base_url: str) -> Outcome:
        """POST /sandbox/jobs: a new job, or the one that is already running."""
        settings = self.settings.of(caller.connection)
        now = self.clock()
        with self.store.transaction():
            window = quota.current_window(self.store.window(caller.connection), settings, now)
            if caller.kind == "assisted":
                return self._refresh_assisted(caller, settings, window)
            running = self.store.running_job(caller.connection, now)
            if running is not None and settings.duplicate_while_running != "new_job":
                status = 202 if settings.duplicate_while_running == "same_job_202" else 200
                body = _job_reference(running, settings, base_url) | _refreshes(window, settings)
                return Outcome(status, body, "job_attached", running.job_id)
            if self._over_quota(window, settings):
                return _refused_by_quota(window, settings)
            window = quota.spend(window)
            self.store.put_window(caller.connection, window)
            job = self._new_job(caller.connection, settings, now)
            self.store.add_job(job)
            body = _job_reference(job, settings, base_url) | _refreshes(window, settings)
            return Outcome(settings.created_status, body, "job_created", job.job_id)

    def job(self, caller: Caller, job_id: str, base_url: str) -> Outcome:
        """GET /jobs/automated/{job_id}.

        Raises:
            RefusedError: 404, or what the settings say for another connection's job.
        """
        settings = self.settings.of(caller.connection)
        now = self.clock()
        job = self.store.job(job_id)
        if job is not None and job.connection != caller.connection and settings.other_connections_job == 403:
            raise RefusedError(errors.INSUFFICIENT_SCOPE)
        if job is None or job.connection != caller.connection or not _kept(job, settings, now):
            return Outcome(404, _unknown_job_body(job_id, settings))
        return Outcome(200, _job_body(job, settings, base_url, now), job_id=job_id)

    def jobs(self, caller: Caller, base_url: str, limit: int | None, offset: int) -> Outcome:
        """GET /jobs/automated: a page of the connection's jobs, newest first."""
        settings = self.settings.of(caller.connection)
        now = self.clock()
        limit = settings.list_default_limit if limit is None else limit
        limit = limit if settings.list_max_limit is None else min(limit, settings.list_max_limit)
        kept = [job for job in self.store.jobs(caller.connection) if _kept(job, settings, now)]
        shown = kept if settings.list_shows_sandbox_jobs else []
        window = quota.current_window(self.store.window(caller.connection), settings, now)
        meta: dict[str, JsonValue] = {"quotas": {"data_sync_all": _refreshes(window, settings)}}
        body: dict[str, JsonValue] = {
            "data": [_job_body(job, settings, base_url, now) for job in shown[offset : offset + limit]],
            "meta": meta if settings.list_quotas else {},
        }
        if settings.list_paging != "absent":
            body["paging" if settings.list_paging == "paging" else ""] = {"count": len(shown), "offset": offset}
        return Outcome(200, body)

    def configuration(self, caller: Caller) -> Outcome:
        """GET /sandbox/jobs/configuration: how later jobs will end, as an array."""
        settings = self.settings.of(caller.connection)
        status = self.store.configuration(_scope(caller.connection, settings)) or settings.completion_status
        return Outcome(200, [_configuration_body(status)])

    def configure(self, caller: Caller, status: TerminalStatus) -> Outcome:
        """PUT /sandbox/jobs/configuration: how later jobs end."""
        settings = self.settings.of(caller.connection)
        with self.store.transaction():
            self.store.put_configuration(_scope(caller.connection, settings), status)
            if settings.configuration_applies == "at_completion":
                affected = caller.connection if settings.configuration_scope == "connection" else None
                self.store.set_completion_status_of_running(status, affected, self.clock())
        return Outcome(200, _configuration_body(status), "configured")

    def drop_configuration(self, connection: str) -> None:
        """Forgets how the connection's later jobs were configured to end; its settings tell again."""
        self.store.drop_configuration(_scope(connection, self.settings.of(connection)))

    def introspect(self, caller: Caller) -> Outcome:
        """GET /introspect: what the token opens, and whether that connection is healthy."""
        settings = self.settings.of(caller.connection)
        ended = [job for job in self.store.jobs(caller.connection) if job.ended(self.clock())]
        synced = next((job.ends_at for job in ended if job.completion_status == "complete"), None)
        status = _connection_status(ended[0] if ended else None, settings)
        assisted = caller.kind == "assisted"
        connection_status: dict[str, JsonValue] = {
            "status": status,
            "last_successful_sync": None if synced is None else rfc3339(synced, settings.timestamps),
        }
        products: list[JsonValue] = ["company", "directory", "individual", "employment", "payment", "pay_statement"]
        method: dict[str, JsonValue] = {
            "type": "assisted" if assisted else "credential",
            "connection_status": connection_status,
            "products": products,
        }
        return Outcome(
            200,
            {
                "id": _stable_uuid(f"token/{caller.token}"),
                "client_id": _stable_uuid("client"),
                "client_type": "sandbox",
                "connection_id": _stable_uuid(f"connection/{caller.connection}"),
                "connection_status": connection_status,
                "connection_type": "finch",
                "company_id": _stable_uuid(f"company/{caller.connection}"),
                "account_id": _stable_uuid(f"account/{caller.connection}"),
                "provider_id": "gusto",
                "payroll_provider_id": "gusto",
                "products": products,
                "authentication_methods": [method],
                "customer_id": caller.connection,
                "customer_name": caller.connection,
                "customer_email": None,
                "username": "good_user",
                "manual": assisted,
            },
        )

    def add_connection(self, name: str, kind: ConnectionKind | None = None, token: str | None = None) -> Connection:
        """Adds a connection, or gives one another kind or token; what is not given stays or is made up."""
        with self.store.transaction():
            known = {connection.name: connection for connection in self.store.connections()}.get(name)
            if known is None or kind not in (None, known.kind):
                self.store.put_connection(name, kind or "automated")
            if token is not None or known is None:
                self.store.put_token(token or str(uuid4()), name)
            return self.connection(name)

    def rotate_token(self, name: str, token: str | None = None) -> Connection:
        """Gives a connection a new token in place of the one it had, as a reauthentication does.

        Raises:
            KeyError: There is no such connection.
        """
        with self.store.transaction():
            self.connection(name)
            self.store.put_token(token or str(uuid4()), name)
            return self.connection(name)

    def revoke_token(self, name: str) -> Connection:
        """Leaves a connection without a valid token, as a disconnect does.

        Raises:
            KeyError: There is no such connection.
        """
        with self.store.transaction():
            self.connection(name)
            self.store.revoke_tokens(name)
            return self.connection(name)

    def connection(self, name: str) -> Connection:
        """A connection by its name.

        Raises:
            KeyError: There is no such connection.
        """
        return {connection.name: connection for connection in self.store.connections()}[name]

    def _refresh_assisted(self, caller: Caller, settings: Settings, window: quota.Window) -> Outcome:
        if settings.assisted_spends_quota:
            if self._over_quota(window, settings):
                return _refused_by_quota(window, settings)
            window = quota.spend(window)
            self.store.put_window(caller.connection, window)
        body: dict[str, JsonValue] = {"job_id": None, "job_url": None} if settings.assisted_job == "null" else {}
        if settings.assisted_refreshes == "numbers":
            body |= _refreshes(window, settings)
        elif settings.assisted_refreshes == "null":
            body |= dict.fromkeys(_refreshes(window, settings))
        return Outcome(200, body)

    def _new_job(self, connection: str, settings: Settings, now: float) -> Job:
        pending_seconds, in_progress_seconds = draw_durations(settings, connection, self.store.count_jobs(connection))
        scope = _scope(connection, settings)
        configured = self.store.configuration(scope)
        if settings.configuration_lasts == "one_shot":
            self.store.drop_configuration(scope)
        return Job(
            job_id=("job-" if settings.job_id_shape == "prefixed" else "") + str(uuid4()),
            connection=connection,
            created_at=now,
            pending_seconds=pending_seconds,
            in_progress_seconds=in_progress_seconds,
            completion_status=configured or settings.completion_status,
        )

    @staticmethod
    def _over_quota(window: quota.Window, settings: Settings) -> bool:
        return settings.over_quota == "reject" and quota.remaining(window, settings) == 0


def _bearer_token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _refused_by_quota(window: quota.Window, settings: Settings) -> Outcome:
    # Rounded up: a retry at the time that was told must not come a fraction of a second too early.
    retry_at = rfc3339(math.ceil(quota.closes_at(window, settings)), settings.timestamps)
    shown = retry_at if settings.quota_retry_at == "present" else None
    return Outcome(429, errors.quota_used_up(settings.allowed_refreshes, shown))


def _refreshes(window: quota.Window, settings: Settings) -> dict[str, JsonValue]:
    left = quota.remaining(window, settings)
    return {"allowed_refreshes": settings.allowed_refreshes, "remaining_refreshes": left}


def _job_reference(job: Job, settings: Settings, base_url: str) -> dict[str, JsonValue]:
    return {"job_id": job.job_id, "job_url": _job_url(job, settings, base_url, "jobs")}


def _job_body(job: Job, settings: Settings, base_url: str, now: float) -> dict[str, JsonValue]:
    queued_at = job.created_at if settings.started_at == "created" else job.starts_at
    optional: dict[str, JsonValue] = {
        "scheduled_at": None,
        "started_at": rfc3339(queued_at, settings.timestamps) if now >= queued_at else None,
        "completed_at": rfc3339(job.ends_at, settings.timestamps) if job.ended(now) else None,
        "params": None,
    }
    if settings.absent_times == "absent":
        optional = {name: value for name, value in optional.items() if value is not None}
    return {
        "job_id": job.job_id,
        "job_url": _job_url(job, settings, base_url, settings.job_url_of_retrieved),
        "type": "data_sync_all",
        "status": job.status(now),
        "created_at": rfc3339(job.created_at, settings.timestamps),
        **optional,
    }


def _job_url(job: Job, settings: Settings, base_url: str, first_word: str) -> str:
    return f"{(settings.job_url_base or base_url).rstrip('/')}/{first_word}/automated/{job.job_id}"


def _unknown_job_body(job_id: str, settings: Settings) -> JsonValue:
    body: dict[str, Any] = errors.unknown_job(job_id).body()
    if settings.unknown_job_body == "without_finch_code":
        del body["finch_code"]
    return None if settings.unknown_job_body == "empty" else body


def _kept(job: Job, settings: Settings, now: float) -> bool:
    return settings.retention_seconds is None or now < job.ends_at + settings.retention_seconds


def _scope(connection: str, settings: Settings) -> str:
    return APPLICATION_SCOPE if settings.configuration_scope == "application" else f"connection/{connection}"


def _configuration_body(status: TerminalStatus) -> dict[str, JsonValue]:
    return {"type": "data_sync_all", "completion_status": status}


def _connection_status(last_ended: Job | None, settings: Settings) -> str:
    if last_ended is None or not settings.reauth_error_flips_introspect:
        return "connected"
    return {"reauth_error": "reauth", "permissions_error": "error_permissions"}.get(
        last_ended.completion_status, "connected"
    )


def _stable_uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"finch-sandbox/{name}"))
