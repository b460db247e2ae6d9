"""The control routes under /_sandbox. They are the sandbox's own, not Finch's, and ask for no token."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from finch_sandbox.faults import FaultBook, FaultRule
from finch_sandbox.finch import Finch
from finch_sandbox.settings import Settings
from finch_sandbox.store import ConnectionKind
from finch_sandbox.times import rfc3339

Given = TypeVar("Given")
Parsed = TypeVar("Parsed")


class ConnectionChange(BaseModel):
    """What to do with a connection's token: add the connection, replace its token, or leave it without one."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["add", "rotate", "revoke"] = "add"
    name: str
    kind: ConnectionKind | None = None
    token: str | None = None


class Control:
    """Everything that tests and operators do to the sandbox from outside, over HTTP or in the process."""

    def __init__(self, finch: Finch, faults: FaultBook) -> None:
        self.finch = finch
        self.faults = faults

    def patch_settings(self, change: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Changes settings from now on. A completion_status in it replaces what was configured through Finch's API."""
        self.finch.settings.patch(change)
        by_connection = change.get("connections")
        overrides = by_connection.values() if isinstance(by_connection, dict) else ()
        if any("completion_status" in part for part in (change, *overrides) if isinstance(part, dict)):
            self.finch.store.drop_configurations()
        return self.finch.settings.as_json()

    def change_connection(self, change: ConnectionChange) -> dict[str, JsonValue]:
        """Adds a connection, or replaces or revokes its token; what it has then.

        Raises:
            KeyError: There is no such connection to rotate or revoke.
        """
        if change.action == "rotate":
            connection = self.finch.rotate_token(change.name, change.token)
        elif change.action == "revoke":
            connection = self.finch.revoke_token(change.name)
        else:
            connection = self.finch.add_connection(change.name, change.kind, change.token)
        return connection._asdict()

    def connections(self) -> dict[str, JsonValue]:
        """Token and kind of each connection."""
        return {name: {"token": token, "kind": kind} for name, kind, token in self.finch.store.connections()}

    def ledger(self, after: int = 0) -> dict[str, Any]:
        """Requests with a number above the given one, oldest first, and all jobs there are, oldest first."""
        now = self.finch.clock()
        return {
            "requests": [
                {**entry.model_dump(), "at": rfc3339(entry.at, "milliseconds")}
                for entry in self.finch.store.entries(after)
            ],
            "jobs": [
                {
                    "job_id": job.job_id,
                    "connection": job.connection,
                    "status": job.status(now),
                    "completion_status": job.completion_status,
                    "created_at": rfc3339(job.created_at, "milliseconds"),
                    "ends_at": rfc3339(job.ends_at, "milliseconds"),
                }
                for job in reversed(self.finch.store.jobs())
            ],
        }

    def reset(self) -> None:
        """Forgets jobs, quotas, ledger, faults and changed settings; connections and tokens stay."""
        self.finch.store.forget()
        self.faults.clear()
        self.finch.settings.reset()


def control_routes(control: Control) -> Mount:
    """The routes of `Control`."""

    async def settings(request: Request) -> Response:
        if request.method == "PATCH":
            change = _valid(TypeAdapter(dict[str, JsonValue]).validate_json, await request.body())
            return JSONResponse(_valid(control.patch_settings, change))
        return JSONResponse(control.finch.settings.as_json())

    async def schema(_request: Request) -> Response:
        return JSONResponse({"settings": Settings.model_json_schema(), "fault_rule": FaultRule.model_json_schema()})

    async def faults(request: Request) -> Response:
        if request.method == "POST":
            rule = _valid(FaultRule.model_validate_json, await request.body())
            return JSONResponse(control.faults.add(rule).model_dump(mode="json"), 201)
        if request.method == "DELETE":
            control.faults.clear()
        return JSONResponse([active.model_dump(mode="json") for active in control.faults.rules()])

    async def ledger(request: Request) -> Response:
        return JSONResponse(control.ledger(_valid(int, request.query_params.get("after", "0"))))

    async def connections(request: Request) -> Response:
        if request.method == "POST":
            change = _valid(ConnectionChange.model_validate_json, await request.body())
            try:
                return JSONResponse(control.change_connection(change))
            except KeyError:
                raise HTTPException(404, f"there is no connection {change.name}") from None
        return JSONResponse(control.connections())

    async def reset(_request: Request) -> Response:
        control.reset()
        return JSONResponse({"reset": True})

    return Mount(
        "/_sandbox",
        routes=[
            Route("/settings", settings, methods=["GET", "PATCH"]),
            Route("/schema", schema, methods=["GET"]),
            Route("/faults", faults, methods=["GET", "POST", "DELETE"]),
            Route("/ledger", ledger, methods=["GET"]),
            Route("/connections", connections, methods=["GET", "POST"]),
            Route("/reset", reset, methods=["POST"]),
        ],
    )


def _valid(parse: Callable[[Given], Parsed], given: Given) -> Parsed:
    try:
        return parse(given)
    except ValidationError as invalid:
        raise HTTPException(400, invalid.json(include_url=False)) from None
    except ValueError as invalid:
        raise HTTPException(400, str(invalid)) from None
