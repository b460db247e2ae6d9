"""Settings of the sandbox: one for every behaviour that Finch does not document.

A setting's default is the best guess from what Finch does publish; its description says what is unknown.
"""

import base64
from threading import RLock
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, model_validator

TerminalStatus = Literal["complete", "error", "reauth_error", "permissions_error"]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]


def _base64(text: str) -> str:
    base64.b64decode(text, validate=True)
    return text


WebhookSecret = Annotated[str, Field(min_length=1), AfterValidator(_base64)]


class LogNormalDuration(BaseModel):
    """How long whole jobs take, drawn from a log-normal distribution given by two of its percentiles, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["lognormal"] = "lognormal"
    p5: Annotated[float, Field(gt=0)]
    p95: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _percentiles_in_order(self) -> Self:
        if self.p95 < self.p5:
            raise ValueError("p95 must not be below p5")
        return self


class Settings(BaseModel):
    """Everything about the sandbox that can be chosen; each may also be set for one connection alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pending_seconds: Seconds = Field(
        default=2, description="How long a job stays pending. No job time is published. 0 skips the status."
    )
    in_progress_seconds: Seconds = Field(
        default=4,
        description="How long a job stays in_progress. 0 jumps from pending to the end: the order of statuses is not "
        "published. A very large number makes a job that is stuck.",
    )
    duration: LogNormalDuration | None = Field(
        default=None,
        description="Draws each job's whole duration instead, split as pending_seconds is to in_progress_seconds.",
    )
    seed: int = Field(default=0, description="Makes the durations that are drawn repeatable.")

    completion_status: TerminalStatus = Field(
        default="complete",
        description="How jobs end until PUT /sandbox/jobs/configuration says otherwise. complete is what the "
        "published example shows.",
    )
    configuration_scope: Literal["connection", "application"] = Field(
        default="connection", description="Whom PUT /sandbox/jobs/configuration affects. Not published."
    )
    configuration_lasts: Literal["persistent", "one_shot"] = Field(
        default="persistent", description="Whether a configured completion status serves every later job or the next."
    )
    configuration_applies: Literal["at_enqueue", "at_completion"] = Field(
        default="at_enqueue", description="Whether a job that is already running takes a newly configured status."
    )

    allowed_refreshes: int = Field(
        default=2, ge=0, description="Refreshes per window. Published examples show 2, the prose says 1 per hour."
    )
    window_seconds: Annotated[float, Field(gt=0)] = Field(
        default=3600, description="Length of the fixed quota window. One hour is published; tests want less."
    )
    window_anchor: Literal["first_use", "clock_hour"] = Field(
        default="first_use",
        description="When a fixed window starts: at the first refresh, or at whole multiples of its length (UTC).",
    )
    over_quota: Literal["reject", "accept"] = Field(
        default="reject",
        description="Whether POST /sandbox/jobs answers 429 when the quota is used up. Published for "
        "POST /jobs/automated only.",
    )
    quota_retry_at: Literal["present", "absent"] = Field(
        default="present", description="Whether that 429 says retry_at, as the one of POST /jobs/automated does."
    )
    assisted_spends_quota: bool = Field(
        default=False, description="Whether the call of an assisted connection, which makes no job, uses a refresh."
    )
    assisted_refreshes: Literal["numbers", "null", "absent"] = Field(
        default="numbers", description="What an assisted connection's answer says of its refreshes."
    )
    assisted_job: Literal["null", "absent"] = Field(
        default="null",
        description="job_id and job_url of an assisted connection's answer; null is published, absent is not.",
    )

    created_status: Literal[200, 201] = Field(
        default=200, description="HTTP status for a new job. 200 is published here, 201 for POST /jobs/automated."
    )
    duplicate_while_running: Literal["same_job", "same_job_202", "new_job"] = Field(
        default="same_job",
        description="What POST /sandbox/jobs does while a job runs. POST /jobs/automated answers 202 and the running "
        "job and spends no quota; for the sandbox only 200 is listed.",
    )

    reauth_error_flips_introspect: bool = Field(
        default=False,
        description="Whether GET /introspect says reauth (or error_permissions) after a job which ended so.",
    )

    unknown_job_body: Literal["superset", "without_finch_code", "empty"] = Field(
        default="superset", description="Body of the 404 for an unknown job; its schema is not published."
    )
    other_connections_job: Literal[404, 403] = Field(
        default=404, description="HTTP status for a job that belongs to another connection."
    )
    version_header: Literal["ignored", "required_where_documented", "required_everywhere"] = Field(
        default="required_where_documented",
        description="Whether a missing or malformed Finch-API-Version is an error. It is documented as required for "
        "/jobs/* and /introspect; what happens without it is not.",
    )
    invalid_request: Literal["400_bad_request", "400_invalid_request_error", "401_invalid_request_error"] = Field(
        default="400_bad_request", description="Answer to a request that is not as documented; several are published."
    )
    revoked_credential: Literal["invalid_token", "reauthenticate_user"] = Field(
        default="invalid_token", description="Which 401 a token gets that was valid once."
    )

    list_default_limit: int = Field(
        default=100, ge=1, description="Page size without limit=. 100 in old documents, none in the current ones."
    )
    list_max_limit: int | None = Field(
        default=None, ge=1, description="Larger limits are cut to this. No maximum is published."
    )
    list_shows_sandbox_jobs: bool = Field(
        default=True, description="Whether jobs of POST /sandbox/jobs are in GET /jobs/automated."
    )
    list_paging: Literal["absent", "paging", "empty_key"] = Field(
        default="absent", description="Whether the list has a paging object, and whether under its misprinted key."
    )
    list_quotas: bool = Field(default=True, description="Whether meta.quotas is there for a sandbox token.")

    empty_fields: Literal["null", "absent"] = Field(
        default="absent",
        description="Whether a field without a value is null or left out. The published example of a pending job "
        "leaves them out, and null is not in its OpenAPI 3.1 schema; that scheduled_at is null, its prose says.",
    )
    started_at: Literal["in_progress", "created"] = Field(
        default="in_progress",
        description="When started_at gets its value. Published as the time of entering the queue, yet the example of "
        "a pending job has none.",
    )
    timestamps: Literal["seconds", "milliseconds"] = Field(
        default="seconds", description="Precision of RFC 3339 times; examples have no fraction."
    )
    job_id_shape: Literal["uuid", "prefixed"] = Field(
        default="uuid", description="Bare UUIDs, or with the prefix job- of older examples."
    )
    job_url_base: str | None = Field(
        default=None, description="Start of every job_url; none means the address which the request came in on."
    )
    job_url_of_retrieved: Literal["jobs", "job"] = Field(
        default="jobs", description="First word of the path in a retrieved job's job_url; examples say job."
    )
    retention_seconds: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="When an ended job is forgotten. No retention is published; none keeps it for ever."
    )

    webhook_urls: tuple[Url, ...] = Field(
        default=(),
        description="Where events are sent, as registered in Finch's dashboard; none sends none. That sandbox jobs are "
        "told at all is implied, not published.",
    )
    webhook_secrets: tuple[WebhookSecret, ...] = Field(
        default=(),
        description="What events are signed with, in base64. More than one while secrets are rotated: the old one is "
        "said to live for 24 hours.",
    )
    webhook_delay_seconds: Seconds = Field(
        default=0, description="How long after what happened its event is sent. Not published."
    )
    webhook_duplicates: Annotated[int, Field(ge=0)] = Field(
        default=0, description="How often each event is sent beside its first time. Published is that it may happen."
    )
    webhook_retry_after_seconds: tuple[Seconds, ...] = Field(
        default=(0, 5, 300, 1800, 7200),
        description="Pauses between a delivery that failed and the next; then it is given up. Published in 2023. "
        "Which answers count as failures is not: here, all but 2xx.",
    )
    webhook_timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=10, description="How long an answer to a delivery is waited for. Not published."
    )

    @model_validator(mode="after")
    def _webhooks_are_signed(self) -> Self:
        if self.webhook_urls and not self.webhook_secrets:
            raise ValueError("webhook_urls need webhook_secrets: Finch signs every webhook")
        return self


_BY_CONNECTION = TypeAdapter(dict[str, dict[str, JsonValue]])


class SettingsBook:
    """The settings in force, for all connections and for each; changed at run time by patches.

    Patches have the fields of `Settings`, and `connections`: the same fields for one connection by its name.
    """

    def __init__(self, everywhere: Settings, overrides: dict[str, dict[str, Any]] | None = None) -> None:
        self._lock = RLock()
        self._initial = everywhere, overrides or {}
        self._everywhere, self._overrides = self._initial

    @classmethod
    def from_json(cls, given: dict[str, JsonValue]) -> Self:
        """Settings to start with, in the shape of a patch.

        Raises:
            ValueError: As `patch`.
        """
        book = cls(Settings())
        book.patch(given)
        return cls(book._everywhere, book._overrides)

    def reset(self) -> None:
        """Returns to the settings that the process started with."""
        with self._lock:
            self._everywhere, self._overrides = self._initial

    def of(self, connection: str) -> Settings:
        """The settings in force for a connection."""
        with self._lock:
            return _merged(self._everywhere, self._overrides.get(connection, {}))

    def patch(self, change: dict[str, JsonValue]) -> None:
        """Applies a change as a whole or not at all.

        Raises:
            ValueError: It names an unknown setting or a value that is not allowed (pydantic's ValidationError).
        """
        everywhere = {name: value for name, value in change.items() if name != "connections"}
        by_connection = _BY_CONNECTION.validate_python(change.get("connections", {}))
        with self._lock:
            changed = _merged(self._everywhere, everywhere)
            overrides = dict(self._overrides)
            for connection, own in by_connection.items():
                overrides[connection] = {**overrides.get(connection, {}), **own}
                _merged(changed, overrides[connection])
            self._everywhere, self._overrides = changed, overrides

    def as_json(self) -> dict[str, JsonValue]:
        """The settings in force, in the shape of a patch."""
        with self._lock:
            return {**self._everywhere.model_dump(mode="json"), "connections": dict(self._overrides)}


def _merged(settings: Settings, change: dict[str, Any]) -> Settings:
    return Settings.model_validate({**settings.model_dump(), **change}) if change else settings
