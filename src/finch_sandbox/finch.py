"""What Finch does when it is asked: jobs, quotas, configuration and introspection.

Follows Finch's API reference (Sandbox and Automated Jobs); every gap in it is a setting.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from pydantic import JsonValue

from finch_sandbox import bodies, errors, quota
from finch_sandbox.connections import Caller
from finch_sandbox.errors import RefusedError
from finch_sandbox.jobs import Job, draw_durations
from finch_sandbox.ledger import Effect
from finch_sandbox.postman import Postman
from finch_sandbox.settings import Settings, SettingsBook, TerminalStatus
from finch_sandbox.store import Store

APPLICATION_SCOPE = "application"


@dataclass(frozen=True)
class Outcome:
    """An answer, and what was done to give it."""

    status: int
    body: JsonValue
    effect: Effect = "none"
    job_id: str | None = None


class Finch:
    """Finch, for every connection. Its clock tells seconds since the epoch."""

    def __init__(self, store: Store, settings: SettingsBook, clock: Callable[[], float], postman: Postman) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self.postman = postman

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
                body = bodies.job_reference(running, settings, base_url) | bodies.refreshes(window, settings)
                return Outcome(status, body, "job_attached", running.job_id)
            if self._over_quota(window, settings):
                return Outcome(429, bodies.quota_used_up(window, settings))
            window = quota.spend(window)
            self.store.put_window(caller.connection, window)
            job = self._new_job(caller.connection, settings, now)
            self.store.add_job(job)
            self.postman.expect_end(job, bodies.job_url(job, settings, base_url))
            body = bodies.job_reference(job, settings, base_url) | bodies.refreshes(window, settings)
            return Outcome(settings.created_status, body, "job_created", job.job_id)

    def job(self, caller: Caller, job_id: str, base_url: str) -> Outcome:
        """GET /jobs/automated/{job_id}.

        Raises:
            RefusedError: It is another connection's, and the settings tell them apart.
        """
        settings = self.settings.of(caller.connection)
        now = self.clock()
        job = self.store.job(job_id)
        if job is not None and job.connection != caller.connection and settings.other_connections_job == 403:
            raise RefusedError(errors.INSUFFICIENT_SCOPE)
        if job is None or job.connection != caller.connection or not _kept(job, settings, now):
            return Outcome(404, bodies.unknown_job(job_id, settings))
        return Outcome(200, bodies.retrieved_job(job, settings, base_url, now), job_id=job_id)

    def jobs(self, caller: Caller, base_url: str, limit: int | None, offset: int) -> Outcome:
        """GET /jobs/automated: a page of the connection's jobs, newest first."""
        settings = self.settings.of(caller.connection)
        now = self.clock()
        limit = settings.list_default_limit if limit is None else limit
        limit = limit if settings.list_max_limit is None else min(limit, settings.list_max_limit)
        kept = [job for job in self.store.jobs(caller.connection) if _kept(job, settings, now)]
        shown = kept if settings.list_shows_sandbox_jobs else []
        window = quota.current_window(self.store.window(caller.connection), settings, now)
        meta: dict[str, JsonValue] = {"quotas": {"data_sync_all": bodies.refreshes(window, settings)}}
        body: dict[str, JsonValue] = {
            "data": [bodies.retrieved_job(job, settings, base_url, now) for job in shown[offset : offset + limit]],
            "meta": meta if settings.list_quotas else {},
        }
        if settings.list_paging != "absent":
            body["paging" if settings.list_paging == "paging" else ""] = {"count": len(shown), "offset": offset}
        return Outcome(200, body)

    def configuration(self, caller: Caller) -> Outcome:
        """GET /sandbox/jobs/configuration: how later jobs will end, as an array."""
        settings = self.settings.of(caller.connection)
        status = self.store.configuration(_scope(caller.connection, settings)) or settings.completion_status
        return Outcome(200, [bodies.configuration(status)])

    def configure(self, caller: Caller, status: TerminalStatus) -> Outcome:
        """PUT /sandbox/jobs/configuration: how later jobs end."""
        settings = self.settings.of(caller.connection)
        with self.store.transaction():
            self.store.put_configuration(_scope(caller.connection, settings), status)
            if settings.configuration_applies == "at_completion":
                affected = caller.connection if settings.configuration_scope == "connection" else None
                self.store.set_completion_status_of_running(status, affected, self.clock())
        return Outcome(200, bodies.configuration(status), "configured")

    def drop_configuration(self, connection: str) -> None:
        """Forgets how the connection's later jobs were configured to end; its settings tell again."""
        self.store.drop_configuration(_scope(connection, self.settings.of(connection)))

    def introspect(self, caller: Caller) -> Outcome:
        """GET /introspect: what the token opens, and whether that connection is healthy."""
        settings = self.settings.of(caller.connection)
        ended = [job for job in self.store.jobs(caller.connection) if job.ended(self.clock())]
        synced = next((job.ends_at for job in ended if job.completion_status == "complete"), None)
        status = _connection_status(ended[0] if ended else None, settings)
        return Outcome(200, bodies.introspection(caller, status, synced, settings))

    def _refresh_assisted(self, caller: Caller, settings: Settings, window: quota.Window) -> Outcome:
        if settings.assisted_spends_quota:
            if self._over_quota(window, settings):
                return Outcome(429, bodies.quota_used_up(window, settings))
            window = quota.spend(window)
            self.store.put_window(caller.connection, window)
        body: dict[str, JsonValue] = {"job_id": None, "job_url": None} if settings.assisted_job == "null" else {}
        if settings.assisted_refreshes == "numbers":
            body |= bodies.refreshes(window, settings)
        elif settings.assisted_refreshes == "null":
            body |= dict.fromkeys(bodies.refreshes(window, settings))
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


def _kept(job: Job, settings: Settings, now: float) -> bool:
    return settings.retention_seconds is None or now < job.ends_at + settings.retention_seconds


def _scope(connection: str, settings: Settings) -> str:
    return APPLICATION_SCOPE if settings.configuration_scope == "application" else f"connection/{connection}"


def _connection_status(last_ended: Job | None, settings: Settings) -> str:
    if last_ended is None or not settings.reauth_error_flips_introspect:
        return "connected"
    return {"reauth_error": "reauth", "permissions_error": "error_permissions"}.get(
        last_ended.completion_status, "connected"
    )
