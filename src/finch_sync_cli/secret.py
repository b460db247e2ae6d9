"""The connections secret as its operator edits it. What an edit does not concern stays as it was written."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from finch_sync.clock import to_text
from finch_sync.connections import CallerToken, Connection, ConnectionName
from finch_sync_cli.errors import CommandError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SHORTEST_DIGEST = 8

_NAME: TypeAdapter[str] = TypeAdapter(ConnectionName)


@dataclass(frozen=True)
class Caller:
    """One caller token of a connection, by its digest."""

    connection: str
    sha256: str
    expires_at: str | None


class ConnectionsSecret:
    """The secret, read once. Its edits reach the function when it next reads it, within a minute."""

    def __init__(self, client: "SecretsManagerClient", secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id
        try:
            self._content: dict[str, Any] = json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"])
            self._connections: dict[str, Any] = self._content["connections"]
            self._connections.items()
        except (ValueError, LookupError, TypeError, AttributeError):
            raise CommandError(f'{secret_id} is not {{"connections": {{name: {{...}}}}}}') from None

    def __contains__(self, connection: str) -> bool:
        return connection in self._connections

    def callers(self) -> Iterator[Caller]:
        """Every caller token of every connection."""
        for name, entry in self._connections.items():
            for caller in entry.get("callers", ()):
                yield Caller(name, caller["sha256"].lower(), caller.get("expires_at"))

    def add(self, connection: str, sha256: str, *, expires_at: datetime | None, finch_token: str | None) -> None:
        """Let one more caller use a connection, beside those who may already.

        Args:
            connection: Its name.
            sha256: The caller token's digest.
            expires_at: From when on the token opens nothing any more.
            finch_token: The connection's Finch token, to be written or to replace what is there.

        Raises:
            CommandError: The function could not read what this would write.
        """
        connections = copy.deepcopy(self._connections)
        entry = connections.setdefault(connection, {})
        if finch_token is not None:
            entry["finch_token"] = finch_token
        entry["callers"] = [*entry.get("callers", ()), caller_entry(sha256, expires_at)]
        try:
            _NAME.validate_python(connection)
            Connection.model_validate(entry)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, e['loc']))} {e['msg']}" for e in error.errors(include_input=False)
            )
            raise CommandError(f"connection {connection!r}: {problems.strip()}") from None
        self._put(connections)

    def revoke(self, digest: str) -> Caller:
        """Take a caller token away.

        Args:
            digest: The start of its SHA-256 digest, long enough to mean one token only.

        Raises:
            CommandError: It means none, or more than one.
        """
        digest = digest.lower()
        found = [caller for caller in self.callers() if caller.sha256.startswith(digest)]
        if len(digest) < SHORTEST_DIGEST or len(found) != 1:
            raise CommandError(
                f"{digest!r} is the start of {len(found)} digests; give one's first {SHORTEST_DIGEST} digits or more"
            )
        [revoked] = found
        connections = copy.deepcopy(self._connections)
        entry = connections[revoked.connection]
        entry["callers"] = [each for each in entry["callers"] if each["sha256"].lower() != revoked.sha256]
        self._put(connections)
        return revoked

    def _put(self, connections: dict[str, Any]) -> None:
        content = self._content | {"connections": connections}
        self._client.put_secret_value(SecretId=self._secret_id, SecretString=json.dumps(content))
        self._content, self._connections = content, connections


def caller_entry(sha256: str, expires_at: datetime | None) -> dict[str, str]:
    """A caller token as the secret holds it."""
    caller = CallerToken(sha256=sha256, expires_at=expires_at)
    return {"sha256": caller.sha256} | ({} if expires_at is None else {"expires_at": to_text(expires_at)})
