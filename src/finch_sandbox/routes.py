"""Finch's documented routes: what is read from a request, and what is refused before Finch acts."""

import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, cast, get_args

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match as PathMatch
from starlette.routing import Route

from finch_sandbox import errors
from finch_sandbox.connections import Caller, Connections
from finch_sandbox.errors import FinchError, RefusedError
from finch_sandbox.finch import Finch, Outcome
from finch_sandbox.settings import TerminalStatus

_VERSION = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_Handler = Callable[[Finch, Caller, Request, dict[str, Any]], Outcome]


def finch_app(finch: Finch, connections: Connections) -> Starlette:
    """The application that answers as Finch."""

    def endpoint(handler: _Handler) -> Callable[[Request], Any]:
        @wraps(handler)
        async def handle(request: Request) -> Response:
            caller = connections.authenticate(request.headers.get("authorization"))
            body = await request.body()
            _check_version(finch, caller, request)
            parsed = _json_object(finch, caller, body) if body and request.method != "GET" else {}
            outcome = handler(finch, caller, request, parsed)
            request.state.done.effect, request.state.done.job_id = outcome.effect, outcome.job_id
            return _response(outcome)

        return handle

    app = Starlette(
        routes=[
            Route("/sandbox/jobs", endpoint(_enqueue), methods=["POST"]),
            Route("/sandbox/jobs/configuration", endpoint(_configuration), methods=["GET"]),
            Route("/sandbox/jobs/configuration", endpoint(_configure), methods=["PUT"]),
            Route("/jobs/automated", endpoint(_jobs), methods=["GET"]),
            # As a path, so that a percent-encoded slash in a job id is part of the id.
            Route("/jobs/automated/{job_id:path}", endpoint(_job), methods=["GET"]),
            Route("/introspect", endpoint(_introspect), methods=["GET"]),
        ],
        exception_handlers={RefusedError: _refused, HTTPException: _not_routed},
    )
    app.router.redirect_slashes = False
    return app


def _enqueue(finch: Finch, caller: Caller, request: Request, body: dict[str, Any]) -> Outcome:
    _check_type(finch, caller, body)
    return finch.enqueue(caller, _base_url(request))


def _configuration(finch: Finch, caller: Caller, _request: Request, _body: dict[str, Any]) -> Outcome:
    return finch.configuration(caller)


def _configure(finch: Finch, caller: Caller, _request: Request, body: dict[str, Any]) -> Outcome:
    _check_type(finch, caller, body)
    status = body.get("completion_status")
    if status is None or status not in get_args(TerminalStatus):
        raise _invalid(finch, caller, f"completion_status must be one of {', '.join(get_args(TerminalStatus))}")
    return finch.configure(caller, status)


def _jobs(finch: Finch, caller: Caller, request: Request, _body: dict[str, Any]) -> Outcome:
    limit = _count(finch, caller, request, "limit")
    offset = _count(finch, caller, request, "offset")
    return finch.jobs(caller, _base_url(request), limit, offset or 0)


def _job(finch: Finch, caller: Caller, request: Request, _body: dict[str, Any]) -> Outcome:
    return finch.job(caller, request.path_params["job_id"], _base_url(request))


def _introspect(finch: Finch, caller: Caller, _request: Request, _body: dict[str, Any]) -> Outcome:
    return finch.introspect(caller)


def _check_version(finch: Finch, caller: Caller, request: Request) -> None:
    required = finch.settings.of(caller.connection).version_header
    documented = not request.url.path.startswith("/sandbox/")
    if required == "ignored" or (required == "required_where_documented" and not documented):
        return
    if not _VERSION.fullmatch(request.headers.get("finch-api-version", "")):
        raise _invalid(finch, caller, "Finch-API-Version must be given as a date")


def _check_type(finch: Finch, caller: Caller, body: dict[str, Any]) -> None:
    if body.get("type") != "data_sync_all":
        raise _invalid(finch, caller, "type must be data_sync_all")


def _json_object(finch: Finch, caller: Caller, body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        raise _invalid(finch, caller, "The body is not JSON") from None
    if not isinstance(parsed, dict):
        raise _invalid(finch, caller, "The body must be a JSON object")
    return parsed


def _count(finch: Finch, caller: Caller, request: Request, name: str) -> int | None:
    given = request.query_params.get(name)
    if given is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", given):
        raise _invalid(finch, caller, f"{name} must be a whole number")
    return int(given)


def _invalid(finch: Finch, caller: Caller, message: str) -> RefusedError:
    return RefusedError(errors.invalid_request(message, finch.settings.of(caller.connection).invalid_request))


def _base_url(request: Request) -> str:
    return str(request.base_url)


def _response(outcome: Outcome) -> Response:
    if outcome.body is None:
        return Response(status_code=outcome.status)
    return JSONResponse(outcome.body, outcome.status)


def _error_response(error: FinchError) -> Response:
    return JSONResponse(error.body(), error.status)


async def _refused(_request: Request, refusal: Exception) -> Response:
    return _error_response(cast("RefusedError", refusal).error)


async def _not_routed(request: Request, refusal: Exception) -> Response:
    if cast("HTTPException", refusal).status_code != 405:
        return _error_response(errors.UNKNOWN_ROUTE)
    answer = _error_response(errors.method_not_allowed(request.method))
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not PathMatch.NONE]
    answer.headers["Allow"] = ", ".join(sorted({method for route in routes for method in route.methods}))
    return answer
