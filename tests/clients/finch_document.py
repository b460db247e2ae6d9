"""The endpoints of Finch that the local sandbox has, as an OpenAPI document.

From Finch's API reference and error catalogue. OpenAPI 3.1 has no ``nullable``: what has no value is left out.
"""

from typing import Any

from api_document.schemas import PAGE, SCHEMAS, ref

_Object = dict[str, Any]

_ERROR: _Object = {
    "type": "object",
    "required": ["code", "name", "message"],
    "properties": {
        "statusCode": {"type": "integer"},
        "status": {"type": "integer"},
        "code": {"type": "integer"},
        "name": {"type": "string"},
        "finch_code": {"type": "string"},
        "message": {"type": "string"},
    },
}
_CONFIGURATION: _Object = {
    "type": "object",
    "required": ["type", "completion_status"],
    "properties": {
        "type": {"enum": ["data_sync_all"]},
        "completion_status": {"enum": ["complete", "reauth_error", "permissions_error", "error"]},
    },
}
_VERSION: _Object = {
    "name": "Finch-API-Version",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": r"^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"},
}
_LINK: _Object = {"job": {"operationId": "job", "parameters": {"job_id": "$response.body#/job_id"}}}
_COUNT: _Object = {"type": "integer", "minimum": 0, "maximum": 999_999_999}


def finch_document() -> _Object:
    """The document."""
    schemas = {name: SCHEMAS[name] for name in ("NewJob", "EnqueuedJob", "Job", "Jobs", "Quota", "QuotaUsedUp")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Finch, as far as the sandbox goes", "version": "2020-09-17"},
        "security": [{"accessToken": []}],
        "paths": {
            "/sandbox/jobs": {
                "post": _operation(
                    "enqueue", ref("EnqueuedJob"), body=ref("NewJob"), links=_LINK, on_429=ref("QuotaUsedUp")
                )
            },
            "/sandbox/jobs/configuration": {
                "get": _operation("configuration", {"type": "array", "items": _CONFIGURATION}),
                "put": _operation("configure", _CONFIGURATION, body=_CONFIGURATION),
            },
            "/jobs/automated": {"get": _operation("jobs", ref("Jobs"), [_VERSION, _query("limit"), _query("offset")])},
            "/jobs/automated/{job_id}": {
                "get": _operation(
                    "job",
                    ref("Job"),
                    [_VERSION, {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}],
                    on_404=_ERROR,
                )
            },
            "/introspect": {
                "get": _operation("introspect", {"type": "object", "required": ["connection_status"]}, [_VERSION])
            },
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"accessToken": {"type": "http", "scheme": "bearer"}},
        },
    }


def _query(name: str) -> _Object:
    return {"name": name, "in": "query", "schema": _COUNT, "description": PAGE[name].get("description", "")}


def _answer(schema: _Object, **more: Any) -> _Object:
    return {
        "description": "As Finch's reference has it.",
        "headers": {"Finch-Request-Id": {"required": True, "schema": {"type": "string", "format": "uuid"}}},
        "content": {"application/json": {"schema": schema}},
        **more,
    }


def _operation(
    name: str,
    success: _Object,
    parameters: list[_Object] | None = None,
    body: _Object | None = None,
    links: _Object | None = None,
    **others: _Object,
) -> _Object:
    responses = {"400": _ERROR, "401": _ERROR, "405": _ERROR} | {
        status.removeprefix("on_"): schema for status, schema in others.items()
    }
    operation: _Object = {
        "operationId": name,
        "parameters": parameters or [],
        "responses": {"200": _answer(success, **({"links": links} if links else {}))}
        | {status: _answer(schema) for status, schema in responses.items()},
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation
