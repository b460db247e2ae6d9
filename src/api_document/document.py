"""The document: three operations, every answer that each can give, and how one leads to the next."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from api_document.schemas import PAGE, SCHEMAS, ref
from finch_sync import webhook_inbox
from finch_sync.http_api import MAX_BODY_BYTES, MAX_BODY_DEPTH
from finch_sync.jobs import Tracking
from finch_sync.store import REQUESTS_KEPT
from finch_sync.waiting import LONGEST_WAIT

FILE = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"

_Object = dict[str, Any]


def document() -> _Object:
    """The OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "finch-sync",
            "version": version("finch-sync"),
            "description": "Enqueues Finch sandbox jobs and tells how they end. Paths, bodies and errors are Finch's "
            "own, so that Finch's SDKs work with this API's address as their base URL.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com/{stage}",
                "description": "The stack's output ApiUrl.",
                "variables": {
                    "api": {"default": "api"},
                    "region": {"default": "us-east-1"},
                    "stage": {"default": "v1"},
                },
            }
        ],
        "security": [{"callerToken": []}],
        "paths": {
            "/sandbox/jobs": {"post": _enqueue()},
            "/jobs/automated": {"get": _list()},
            "/jobs/automated/{job_id}": {"get": _retrieve()},
            webhook_inbox.PATH: {"post": _webhook()},
        },
        "components": {
            "schemas": SCHEMAS,
            "headers": _HEADERS,
            "responses": _RESPONSES,
            "securitySchemes": {
                "callerToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A caller token of this stack. It opens one connection, and is not Finch's token.",
                }
            },
        },
    }


def text() -> str:
    """The document as it is kept in a file."""
    return json.dumps(document(), indent=2) + "\n"


def _header(description: str, **schema: Any) -> _Object:
    return {"description": description, "schema": {"type": "string"} | schema}


_HEADERS: dict[str, _Object] = {
    "Cache-Control": _header("Nothing of this API may be kept.", const="no-store"),
    "X-Content-Type-Options": _header("The content type is meant.", const="nosniff"),
    "X-Request-Id": _header("This API's id of the request. Absent where API Gateway refused it."),
    "Finch-Request-Id": _header("Finch's id of the request that it answered, for Finch's support."),
    "Idempotent-Replayed": _header("Present where this is the first answer once more.", const="true"),
    "Retry-After": _header("Seconds until it is worth asking again.", pattern="^[0-9]+$"),
    "x-should-retry": _header("Tells Finch's SDKs whether to repeat the request.", enum=["true", "false"]),
    "Preference-Applied": _header("How long this answer was ready to wait.", pattern="^wait=[0-9]+$"),
    "Finch-Sync-Tracking": _header(
        "Whether the job is still followed; its status is Finch's word.", enum=[each.value for each in Tracking]
    ),
    "Allow": _header("The method that there is."),
    "WWW-Authenticate": _header("The scheme that is expected.", const="Bearer"),
}

_EVERYWHERE = {"Cache-Control": True, "X-Content-Type-Options": True, "X-Request-Id": False}


def _headers(*names: str) -> _Object:
    of_this = _EVERYWHERE | dict.fromkeys(names, False)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in of_this}


def _answer(description: str, schema: _Object, *headers: str, **more: Any) -> _Object:
    return {
        "description": description,
        "headers": _headers(*headers),
        "content": {"application/json": {"schema": schema}},
        **more,
    }


def _error(description: str, *headers: str, schema: _Object | None = None) -> _Object:
    return _answer(description, schema or ref("Error"), *headers)


_RESPONSES: dict[str, _Object] = {
    "BadRequest": _error("The request is not as described; `message` names the field.", "x-should-retry"),
    "Unauthorized": _error(
        "The caller token opens no connection - or Finch refused the connection's own token (`Finch refused:`), and "
        "somebody has to reauthenticate it.",
        "WWW-Authenticate",
        "x-should-retry",
        "Finch-Request-Id",
    ),
    "NotFound": _error("No such job of this connection, or no such endpoint."),
    "MethodNotAllowed": _error("The path is there, but takes another method.", "Allow"),
    "Conflict": _error(
        "The Idempotency-Key came before with another body (`idempotency_key_reused`), or another request for this "
        "connection is under way (`request_in_flight`): ask again.",
        "Retry-After",
        "x-should-retry",
    ),
    "TooLarge": _error(f"The body is larger than {MAX_BODY_BYTES} bytes.", "x-should-retry"),
    "RefusedByFinch": _error("Finch's own refusal, handed on. Nothing was done.", "x-should-retry", "Finch-Request-Id"),
    "TooMany": _error(
        "The refreshes of the hour are used up, in Finch's own words; or a rate limit of Finch's or of this API.",
        "Retry-After",
        "x-should-retry",
        "Finch-Request-Id",
        schema={"oneOf": [ref("Error"), ref("QuotaUsedUp")]},
    ),
    "Throttled": _error("Too many requests to this API.", "Retry-After"),
    "ServerError": _error("A fault of this API."),
    "UpstreamError": _error("Finch gave no answer that could be used.", "x-should-retry", "Finch-Request-Id"),
    "Unavailable": _error(
        "Finch cannot be reached (`finch_unreachable`), or its answer was lost and is being looked into "
        "(`outcome_unknown`). Ask again with the same Idempotency-Key: it makes no second job.",
        "Retry-After",
    ),
    "TimedOut": _error("No answer in time. Ask again with the same Idempotency-Key."),
}


def _responses(success: _Object, **others: str) -> _Object:
    common = {"400": "BadRequest", "401": "Unauthorized", "429": "Throttled", "500": "ServerError", "504": "TimedOut"}
    named = common | {status.removeprefix("on_"): name for status, name in others.items()}
    return {"200": success} | {
        status: {"$ref": f"#/components/responses/{name}"} for status, name in sorted(named.items())
    }


def _parameter(name: str, where: str, description: str, schema: _Object) -> _Object:
    return {"name": name, "in": where, "description": description, "required": where == "path", "schema": schema}


_TO_THE_JOB = {"job": {"operationId": "retrieveJob", "parameters": {"job_id": "$response.body#/job_id"}}}


def _enqueue() -> _Object:
    return {
        "operationId": "enqueueSandboxJob",
        "summary": "Enqueue a sandbox job",
        "description": "Brings a sandbox connection up to date after its data was changed. While a job runs, that job "
        "is the answer.",
        "parameters": [
            _parameter(
                "Idempotency-Key",
                "header",
                f"The same key gives the same answer, byte for byte, for {REQUESTS_KEPT.days} days.",
                {"type": "string", "pattern": "^[!-~]{1,255}$"},
            )
        ],
        "requestBody": {
            "description": f"At most {MAX_BODY_BYTES} bytes, nested {MAX_BODY_DEPTH} levels deep. No body asks for "
            "the one kind of job that there is.",
            "content": {"application/json": {"schema": ref("NewJob")}},
        },
        "responses": _responses(
            _answer(
                "The job, or none for an assisted connection.",
                ref("EnqueuedJob"),
                "Finch-Request-Id",
                "Idempotent-Replayed",
                links=_TO_THE_JOB,
            ),
            on_402="RefusedByFinch",
            on_403="RefusedByFinch",
            on_404="RefusedByFinch",
            on_405="MethodNotAllowed",
            on_409="Conflict",
            on_413="TooLarge",
            on_422="RefusedByFinch",
            on_429="TooMany",
            on_501="RefusedByFinch",
            on_502="UpstreamError",
            on_503="Unavailable",
        ),
    }


def _retrieve() -> _Object:
    return {
        "operationId": "retrieveJob",
        "summary": "Retrieve a job",
        "description": "From the record: no call to Finch is made.",
        "parameters": [
            _parameter("job_id", "path", "Finch's id of the job.", {"type": "string"}),
            _parameter(
                "Prefer",
                "header",
                f"`wait=SECONDS` waits for the job's end, for {LONGEST_WAIT} s at most, if there is room (RFC 7240).",
                {"type": "string"},
            ),
        ],
        "responses": _responses(
            _answer("The job.", ref("Job"), "Preference-Applied", "Finch-Sync-Tracking"),
            on_404="NotFound",
            on_405="MethodNotAllowed",
        ),
    }


def _list() -> _Object:
    return {
        "operationId": "listJobs",
        "summary": "List jobs",
        "description": "Those of the caller's connection, newest first.",
        "parameters": [
            _parameter("limit", "query", "How many at most.", PAGE["limit"]),
            _parameter("offset", "query", "How many of the newest to pass over.", PAGE["offset"]),
        ],
        "responses": _responses(_answer("A page.", ref("Jobs")), on_405="MethodNotAllowed"),
    }


def _webhook() -> _Object:
    signed = ("Finch-Event-Id", "Finch-Timestamp", "Finch-Signature")
    return {
        "operationId": "receiveWebhook",
        "summary": "Take in a webhook",
        "description": "For Finch alone, which signs what it sends (Finch developer guide, Webhooks).",
        "security": [],
        "parameters": [_parameter(name, "header", "Finch's.", {"type": "string"}) for name in signed],
        "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": _responses(
            _answer("It was taken in, now or before.", {"type": "object"}), on_405="MethodNotAllowed"
        ),
    }
