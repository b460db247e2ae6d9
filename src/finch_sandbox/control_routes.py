"""The control routes under /_sandbox. They are the sandbox's own, not Finch's, and ask for no token."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from finch_sandbox.control import ConnectionChange, Control, TestWebhook
from finch_sandbox.faults import FaultRule
from finch_sandbox.settings import Settings

Given = TypeVar("Given")
Parsed = TypeVar("Parsed")

_PATCH = TypeAdapter(dict[str, JsonValue])


class ControlRoutes:
    """HTTP for `Control`: JSON in, JSON out, 400 with the reason for anything it does not understand."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def mount(self) -> Mount:
        """The routes, under their common path."""
        return Mount(
            "/_sandbox",
            routes=[
                Route("/settings", self.show_settings, methods=["GET"]),
                Route("/settings", self.patch_settings, methods=["PATCH"]),
                Route("/schema", self.show_schema, methods=["GET"]),
                Route("/faults", self.list_faults, methods=["GET"]),
                Route("/faults", self.add_fault, methods=["POST"]),
                Route("/faults", self.clear_faults, methods=["DELETE"]),
                Route("/ledger", self.show_ledger, methods=["GET"]),
                Route("/connections", self.list_connections, methods=["GET"]),
                Route("/connections", self.change_connection, methods=["POST"]),
                Route("/webhooks/test", self.send_test_webhook, methods=["POST"]),
                Route("/reset", self.reset, methods=["POST"]),
            ],
        )

    async def show_settings(self, _request: Request) -> Response:
        """GET /_sandbox/settings: the settings in force."""
        return JSONResponse(self._control.finch.settings.as_json())

    async def patch_settings(self, request: Request) -> Response:
        """PATCH /_sandbox/settings: changes some, for all connections or under `connections` for some."""
        change = _parsed(_PATCH.validate_json, await request.body())
        return JSONResponse(_parsed(self._control.patch_settings, change))

    async def show_schema(self, _request: Request) -> Response:
        """GET /_sandbox/schema: what settings and fault rules there are, and what each means, as JSON Schema."""
        return JSONResponse({"settings": Settings.model_json_schema(), "fault_rule": FaultRule.model_json_schema()})

    async def list_faults(self, _request: Request) -> Response:
        """GET /_sandbox/faults: the fault rules in force, with how often each matched and hit."""
        return JSONResponse([active.model_dump(mode="json") for active in self._control.faults.rules()])

    async def add_fault(self, request: Request) -> Response:
        """POST /_sandbox/faults: puts a rule in force."""
        rule = _parsed(FaultRule.model_validate_json, await request.body())
        return JSONResponse(self._control.faults.add(rule).model_dump(mode="json"), 201)

    async def clear_faults(self, request: Request) -> Response:
        """DELETE /_sandbox/faults: takes all rules out of force."""
        self._control.faults.clear()
        return await self.list_faults(request)

    async def show_ledger(self, request: Request) -> Response:
        """GET /_sandbox/ledger?after=N: requests with a number above N, all jobs, all deliveries of webhooks."""
        return JSONResponse(self._control.ledger(_parsed(int, request.query_params.get("after", "0"))))

    async def list_connections(self, _request: Request) -> Response:
        """GET /_sandbox/connections: token and kind of each."""
        return JSONResponse(self._control.tokens_and_kinds())

    async def change_connection(self, request: Request) -> Response:
        """POST /_sandbox/connections: adds a connection, or rotates or revokes its token."""
        change = _parsed(ConnectionChange.model_validate_json, await request.body())
        try:
            return JSONResponse(self._control.change_connection(change))
        except KeyError:
            raise HTTPException(404, f"there is no connection {change.name}") from None

    async def send_test_webhook(self, request: Request) -> Response:
        """POST /_sandbox/webhooks/test: sends the dashboard's test event, of the connection in the body."""
        given = _parsed(TestWebhook.model_validate_json, await request.body())
        try:
            return JSONResponse({"event_id": self._control.send_test_webhook(given.connection)}, 202)
        except KeyError:
            raise HTTPException(404, f"there is no connection {given.connection}") from None

    async def reset(self, _request: Request) -> Response:
        """POST /_sandbox/reset: forgets everything but the connections and their tokens."""
        self._control.reset()
        return JSONResponse({"reset": True})


def _parsed(parse: Callable[[Given], Parsed], given: Given) -> Parsed:
    try:
        return parse(given)
    except ValueError as invalid:
        raise HTTPException(400, str(invalid)) from None
