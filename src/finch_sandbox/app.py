"""The sandbox as one ASGI application: Finch behind its faults, and the control routes beside it."""

import asyncio
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount

from finch_sandbox.control import Control
from finch_sandbox.control_routes import ControlRoutes
from finch_sandbox.exchange import Exchanges
from finch_sandbox.routes import finch_app


def sandbox_app(control: Control, stopping: asyncio.Event) -> Starlette:
    """The application that a server runs, until it sets `stopping`."""
    routes = finch_app(control.finch, control.connections)
    finch = Exchanges(routes, control.finch, control.connections, control.faults, stopping)
    return Starlette(
        routes=[ControlRoutes(control).mount(), Mount("/", finch)], exception_handlers={HTTPException: _control_error}
    )


async def _control_error(_request: Request, refusal: Exception) -> Response:
    refused = cast("HTTPException", refusal)
    return JSONResponse({"error": refused.detail}, refused.status_code)
