"""Calls to Finch with the token that a connection has now."""

from collections.abc import Callable
from typing import TypeVar

from finch_sync.connections import Connections
from finch_sync.finch import ActionRequired

T = TypeVar("T")


def with_newest_token(connections: Connections, name: str, call: Callable[[str], T]) -> T:
    """Call Finch for a connection; after a 401 once more, if the secret holds another token by now.

    Reauthentication replaces a connection's token (Finch developer guide, "Reauthentication"). A 401 did nothing, so
    even the POST may be made again.
    """
    token = connections.token(name)
    try:
        return call(token)
    except ActionRequired as refusal:
        newer = connections.newer_token(name, token) if refusal.status == 401 else None
        if newer is None:
            raise
        return call(newer)
