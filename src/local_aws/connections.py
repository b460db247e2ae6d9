"""The connections of a local stack and the secret that holds them."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from finch_sandbox.credentials import MARK


@dataclass(frozen=True)
class Connection:
    """A Finch connection and the one caller that may use it."""

    name: str
    finch_token: str = field(repr=False)
    caller_token: str = field(repr=False, default_factory=lambda: MARK + secrets.token_urlsafe(32))


def for_tokens(tokens: Mapping[str, str]) -> list[Connection]:
    """Make a connection, with a new caller token, for each Finch token."""
    return [Connection(name, token) for name, token in tokens.items()]


def secret_string(connections: Sequence[Connection], webhook_secrets: Sequence[str] = ()) -> str:
    """Return what the function reads from the secret: caller tokens as digests only."""
    return json.dumps(
        {
            "connections": {
                each.name: {
                    "finch_token": each.finch_token,
                    "callers": [{"sha256": hashlib.sha256(each.caller_token.encode()).hexdigest()}],
                }
                for each in connections
            },
            "webhook_secrets": list(webhook_secrets),
        }
    )
