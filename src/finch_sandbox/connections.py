"""Connections and their tokens: who calls, and how tokens come, change and go."""

from dataclasses import dataclass

from finch_sandbox import errors
from finch_sandbox.credentials import new_token
from finch_sandbox.errors import RefusedError
from finch_sandbox.settings import SettingsBook
from finch_sandbox.store import Connection, ConnectionKind, Store


@dataclass(frozen=True)
class Caller:
    """The connection that a request's token opened."""

    connection: str
    kind: ConnectionKind
    token: str


class Connections:
    """All connections of the sandbox. One token opens one connection."""

    def __init__(self, store: Store, settings: SettingsBook) -> None:
        self._store = store
        self._settings = settings

    def owner(self, authorization: str | None) -> str | None:
        """Whose Authorization header it is, even if its token was revoked."""
        credential = self._store.credential(_bearer_token(authorization))
        return None if credential is None else credential.connection

    def authenticate(self, authorization: str | None) -> Caller:
        """The connection that an Authorization header opens.

        Raises:
            RefusedError: 401, in the variant that fits.
        """
        token = _bearer_token(authorization)
        if not token:
            raise RefusedError(errors.NO_AUTHENTICATION)
        credential = self._store.credential(token)
        if credential is None:
            raise RefusedError(errors.INVALID_TOKEN)
        if credential.revoked:
            answer = self._settings.of(credential.connection).revoked_credential
            raise RefusedError(errors.INVALID_TOKEN if answer == "invalid_token" else errors.REAUTHENTICATE_USER)
        return Caller(credential.connection, credential.kind, token)

    def all(self) -> list[Connection]:
        """Every connection, in the order they were added."""
        return self._store.connections()

    def add(self, name: str, kind: ConnectionKind | None = None, token: str | None = None) -> Connection:
        """Adds a connection, or gives one another kind or token; what is not given stays or is made up."""
        with self._store.transaction():
            known = {connection.name: connection for connection in self._store.connections()}.get(name)
            if known is None or kind not in (None, known.kind):
                self._store.put_connection(name, kind or "automated")
            if token is not None or known is None:
                self._store.put_token(token or new_token(), name)
            return self.named(name)

    def rotate(self, name: str, token: str | None = None) -> Connection:
        """Gives a connection a new token in place of the one it had, as a reauthentication does.

        Raises:
            KeyError: There is no such connection.
        """
        with self._store.transaction():
            self.named(name)
            self._store.put_token(token or new_token(), name)
            return self.named(name)

    def revoke(self, name: str) -> Connection:
        """Leaves a connection without a valid token, as a disconnect does.

        Raises:
            KeyError: There is no such connection.
        """
        with self._store.transaction():
            self.named(name)
            self._store.revoke_tokens(name)
            return self.named(name)

    def named(self, name: str) -> Connection:
        """A connection by its name.

        Raises:
            KeyError: There is no such connection.
        """
        return {connection.name: connection for connection in self._store.connections()}[name]


def _bearer_token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
