"""Finch's error bodies (Finch documentation, Error Types and the Automated Jobs reference).

Published samples disagree on the fields; these bodies hold all that any sample has.
"""

from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True)
class FinchError:
    """An answer other than success, with the words a client branches on."""

    status: int
    name: str
    message: str
    finch_code: str | None = None

    def body(self) -> dict[str, JsonValue]:
        """The JSON body."""
        finch_code: dict[str, JsonValue] = {"finch_code": self.finch_code} if self.finch_code else {}
        numbers: dict[str, JsonValue] = dict.fromkeys(("statusCode", "status", "code"), self.status)
        return {**numbers, "name": self.name, **finch_code, "message": self.message}


class RefusedError(Exception):
    """Ends the handling of a request with one of Finch's errors."""

    def __init__(self, error: FinchError) -> None:
        super().__init__(error.message)
        self.error = error


NO_AUTHENTICATION = FinchError(401, "unauthorized_request_error", "Unauthorized request: no authentication given")
INVALID_TOKEN = FinchError(401, "invalid_token_error", "The access token is not valid")
REAUTHENTICATE_USER = FinchError(401, "authentication_error", "Please reauthenticate user", "reauthenticate_user")
PAYMENT_REQUIRED = FinchError(402, "payment_required", "The account has unpaid invoices", "payment_required")
INSUFFICIENT_PERMISSIONS = FinchError(
    403, "error_permissions", "The account's permissions do not suffice", "insufficient_account_permissions"
)
INSUFFICIENT_SCOPE = FinchError(403, "insufficient_scope_error", "Missing scopes: [company]")
UNKNOWN_ROUTE = FinchError(404, "not_found_error", "There is nothing at this path")
CLIENT_CLOSED = FinchError(408, "client_connection_closed", "The client closed the connection")
APPLICATION_RATE = FinchError(
    429, "rate_limit_exceeded_error", "Too many requests for application", "finch_application_rl"
)
IP_RATE = FinchError(429, "rate_limit_exceeded_error", "Too many requests for IP address", "finch_api_ip_rl")
UPSTREAM_RATE = FinchError(
    429, "rate_limit_exceeded_error", "Too many requests for provider", "upstream_rate_limit_exceeded"
)
SERVER_ERROR = FinchError(500, "server_error", "Internal server error", "internal_server_error")
NOT_IMPLEMENTED = FinchError(501, "not_implemented_error", "The provider does not support this")
BAD_GATEWAY = FinchError(502, "bad_gateway_error", "The provider could not be reached", "upstream_provider_error")
SERVICE_UNAVAILABLE = FinchError(503, "server_error", "Service unavailable", "internal_server_error")
TIMEOUT = FinchError(504, "timeout_error", "The provider did not answer in time")


def invalid_request(message: str, variant: str = "400_bad_request") -> FinchError:
    """The answer to a request that is not as documented, in one of its published variants."""
    status, _, name = variant.partition("_")
    return FinchError(int(status), name, message, "invalid_request" if name == "bad_request" else None)


def unknown_job(job_id: str) -> FinchError:
    """The answer for a job that does not exist, or that is another connection's."""
    return FinchError(404, "not_found_error", f"could not find job with id {job_id}", "item_not_found")


def method_not_allowed(method: str) -> FinchError:
    """The answer to a documented path called with another method."""
    return FinchError(405, "method_not_allowed_error", f"{method} is not allowed here")


def quota_used_up(allowed_refreshes: int, retry_at: str | None) -> dict[str, JsonValue]:
    """The body of a quota 429, which has none of an error's fields (Automated Jobs reference, 429)."""
    body: dict[str, JsonValue] = {"allowed_refreshes": allowed_refreshes, "remaining_refreshes": 0}
    return body if retry_at is None else {**body, "retry_at": retry_at}
