"""The connections: their Finch tokens, and who may use them. All of it lives in one Secrets Manager secret.

{"connections": {"acme": {"finch_token": "...", "callers": [{"sha256": "...", "expires_at": "..."}]}},
 "webhook_secrets": ["..."]}
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools import Logger
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from finch_sync.clock import Moment
from finch_sync.models import Model

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

logger = Logger(child=True)

CACHE_SECONDS = 60.0
"""How long an edit of the secret may take to have its effect."""

MAX_CREDENTIAL = 512

ConnectionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class CallerToken(Model):
    """A caller's token, known by its digest alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sha256: Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{64}$")]
    expires_at: Moment | None = None


def _sendable(token: SecretStr) -> SecretStr:
    # What a header cannot hold would fail in the call, with an error that quotes it.
    if not all("!" <= character <= "~" for character in token.get_secret_value()):
        raise ValueError("must be visible ASCII, without a space or a line's end")
    return token


class Connection(Model):
    """One Finch connection, by a name of the operator's choosing."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    finch_token: Annotated[SecretStr, Field(min_length=1, max_length=4096), AfterValidator(_sendable)]
    callers: tuple[CallerToken, ...] = ()


def _base64(text: str) -> str:
    base64.b64decode(text, validate=True)
    return text


_NAME: TypeAdapter[str] = TypeAdapter(ConnectionName)
_WEBHOOK_SECRETS: TypeAdapter[tuple[str, ...]] = TypeAdapter(
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_base64)], ...]
)


class UnknownConnection(Exception):
    """No connection of this name is in the secret, or its entry cannot be read."""


class Connections:
    """The secret's content, read again when it is older than a minute."""

    def __init__(
        self, client: "SecretsManagerClient", secret_id: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._monotonic = monotonic
        self._read_at: float | None = None
        self._connections: dict[str, Connection] = {}
        self._webhook_secrets: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Every connection, in order."""
        return sorted(self._fresh())

    def token(self, name: str) -> str:
        """A connection's Finch token.

        Raises:
            UnknownConnection: There is none of this name.
        """
        connection = self._fresh().get(name)
        if connection is None:
            raise UnknownConnection(f"no connection named {name!r} in the secret")
        return connection.finch_token.get_secret_value()

    def newer_token(self, name: str, refused: str) -> str | None:
        """The token that replaced one that Finch refused, if the secret holds one.

        Reauthentication gives a connection a new token (Finch developer guide, "Reauthentication").
        """
        self._read()
        token = self.token(name)
        return None if hmac.compare_digest(token.encode(), refused.encode()) else token

    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that Finch may sign webhooks with; none when it is not asked to send any."""
        self._fresh()
        return self._webhook_secrets

    def of_caller(self, authorization: str | None, now: datetime) -> str | None:
        """The connection that an Authorization header opens, or None.

        Every digest is compared, in constant time, so that the answer's timing tells nothing about any of them.
        """
        scheme, _, credential = (authorization or "").partition(" ")
        usable = scheme.lower() == "bearer" and 0 < len(credential) <= MAX_CREDENTIAL and credential.isascii()
        digest = hashlib.sha256(credential.encode() if usable else b"").hexdigest()
        opened = None
        for name, connection in self._fresh().items():
            for caller in connection.callers:
                matches = hmac.compare_digest(caller.sha256, digest)
                if matches and usable and (caller.expires_at is None or now < caller.expires_at):
                    opened = name
        return opened

    def _fresh(self) -> dict[str, Connection]:
        if self._read_at is None or self._monotonic() - self._read_at > CACHE_SECONDS:
            self._read()
        return self._connections

    def _read(self) -> None:
        secret = self._client.get_secret_value(SecretId=self._secret_id)["SecretString"]
        self._connections, self._webhook_secrets = _parse(secret)
        self._read_at = self._monotonic()


def _parse(secret: str) -> tuple[dict[str, Connection], tuple[str, ...]]:
    """Read what can be read: one connection's mistake must not shut out the others."""
    connections: dict[str, Connection] = {}
    try:
        content = json.loads(secret)
        entries = content["connections"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError('the connections secret is not {"connections": {name: {...}}}') from None
    for name, entry in entries:
        try:
            connections[_NAME.validate_python(name)] = Connection.model_validate(entry)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
            logger.error("connection left out: its entry in the secret is wrong", connection=name, problems=problems)
    try:
        webhook_secrets = _WEBHOOK_SECRETS.validate_python(content.get("webhook_secrets", ()))
    except ValidationError:
        logger.error("webhooks are refused: webhook_secrets is not a list of base64 texts")
        webhook_secrets = ()
    return connections, webhook_secrets
