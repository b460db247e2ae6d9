"""The bodies of requests and answers, as JSON Schema.

They say what Finch's reference says (sections "Enqueue a new sandbox job", "Retrieve an Automated Job" and "List
automated jobs"), in words of ours. OpenAPI 3.1 has no ``nullable``: what has no value is left out of an answer.
"""

from typing import Any

from finch_sync.http_api import Page
from finch_sync.jobs import DATA_SYNC_ALL, KNOWN_STATUSES

Schema = dict[str, Any]


def _object(description: str, required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "description": description, "required": required, "properties": properties}


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _moment(description: str) -> Schema:
    return _text(description, format="date-time")


def ref(name: str) -> Schema:
    """A schema of the document, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


_JOB_ID = _text("Finch's id of the job.", format="uuid")
_JOB_URL = _text("Where this API tells about the job.", format="uri")
_ALLOWED: Schema = {"type": "integer", "description": "Refreshes that Finch allows in each hour, a fixed window."}
_LEFT: Schema = {"type": "integer", "description": "Refreshes that are left in this window."}

SCHEMAS: dict[str, Schema] = {
    "NewJob": _object(
        "What to do. Fields that are not described are ignored.",
        ["type"],
        type=_text("The kind of job; there is one.", enum=[DATA_SYNC_ALL]),
    ),
    "EnqueuedJob": _object(
        "The job that Finch accepted, or the one that was running already. For an assisted connection Finch makes no "
        "job: its id and URL are null, and the data is up to date.",
        ["job_id", "job_url"],
        job_id=_JOB_ID | {"type": ["string", "null"]},
        job_url=_JOB_URL | {"type": ["string", "null"]},
        allowed_refreshes=_ALLOWED,
        remaining_refreshes=_LEFT,
    ),
    "Job": _object(
        "A job, by Finch's latest word on it that is on record.",
        ["job_id", "job_url", "type", "status", "created_at"],
        job_id=_JOB_ID,
        job_url=_JOB_URL,
        type=_text("The kind of job.", enum=[DATA_SYNC_ALL, "w4_form_employee_sync"]),
        status=_text(
            "Finch's word. `complete` and the three errors are final; `reauth_error` and `permissions_error` need "
            "somebody to act.",
            enum=sorted(KNOWN_STATUSES),
        ),
        created_at=_moment("When the request for the job was accepted."),
        scheduled_at=_moment("When the job is to run, where it was scheduled."),
        started_at=_moment("When the job entered Finch's queue."),
        completed_at=_moment("When the job ended."),
        params=_object(
            "What the job was given, where its kind takes anything.", [], individual_id=_text("Whom it was for.")
        ),
    ),
    "Jobs": _object(
        "A page of the connection's jobs, newest first.",
        ["data", "meta"],
        data={"type": "array", "items": ref("Job")},
        meta=_object(
            "What Finch said last about the connection.",
            [],
            quotas=_object("By kind of job.", [], **{DATA_SYNC_ALL: ref("Quota")}),
        ),
    ),
    "Quota": _object("What Finch allows.", [], allowed_refreshes=_ALLOWED, remaining_refreshes=_LEFT),
    "QuotaUsedUp": _object(
        "Finch's own answer when a connection's refreshes are used up.",
        ["remaining_refreshes"],
        allowed_refreshes=_ALLOWED,
        remaining_refreshes=_LEFT,
        retry_at=_moment("When the next window opens."),
    ),
    "Error": _object(
        "An error, in the shape of Finch's own. Branch on `name` and `finch_code`; `message` is for people.",
        ["code", "name", "finch_code", "message"],
        code={"type": "integer", "description": "The HTTP status."},
        name=_text("The kind of error."),
        finch_code=_text("The error itself."),
        message=_text("What is wrong, and which field."),
    ),
}

PAGE: dict[str, Schema] = {
    name: {key: value for key, value in schema.items() if key != "title"}
    for name, schema in Page.model_json_schema()["properties"].items()
}
"""The query of a list: each parameter's limits, as the function checks them."""
