"""Who may use which connection: several tokens each, expiry, revocation, and secrets that are partly wrong."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from finch_sync.connections import CACHE_SECONDS, Connections, UnknownConnection
from tests.world import START, Aws, Clock, digest


class Operator:
    """Edits the secret, and sees what comes of it."""

    def __init__(self, aws: Aws) -> None:
        self._client = aws.secretsmanager
        self._secret = aws.secret({})
        self.clock = Clock()
        self.connections = Connections(self._client, self._secret, self.clock.timestamp)

    def put(self, **connections: Any) -> None:
        self.put_text(json.dumps({"connections": connections}))

    def put_text(self, text: str) -> None:
        self._client.put_secret_value(SecretId=self._secret, SecretString=text)

    def opens(self, token: str) -> str | None:
        return self.connections.of_caller(f"Bearer {token}", self.clock())


def connection(*callers: dict[str, Any], finch: str = "token-of-finch") -> dict[str, Any]:
    return {"finch_token": finch, "callers": list(callers)}


def caller(token: str, expires_at: str | None = None) -> dict[str, Any]:
    return {"sha256": digest(token)} | ({} if expires_at is None else {"expires_at": expires_at})


@pytest.fixture
def operator(emulated_aws: Aws) -> Operator:
    return Operator(emulated_aws)


def test_each_of_several_tokens_opens_its_connection_and_no_other(operator: Operator) -> None:
    operator.put(acme=connection(caller("old"), caller("new")), globex=connection(caller("other")))
    assert [operator.opens(token) for token in ("old", "new", "other", "none")] == ["acme", "acme", "globex", None]


def test_a_token_opens_nothing_from_its_expiry_on(operator: Operator) -> None:
    soon = START + timedelta(seconds=30)
    operator.put(acme=connection(caller("short", soon.isoformat()), caller("long")))
    assert operator.opens("short") == "acme"
    operator.clock.advance(seconds=29.9)
    assert operator.opens("short") == "acme"
    operator.clock.advance(seconds=0.1)
    assert (operator.opens("short"), operator.opens("long")) == (None, "acme")


@pytest.mark.parametrize("expires_at", ["2026-11-22T13:00:00Z", "2026-11-22T14:00:00+01:00", "2026-11-22T13:00:00"])
def test_an_expiry_without_a_zone_is_utc(operator: Operator, expires_at: str) -> None:
    operator.put(acme=connection(caller("token", expires_at)))
    operator.clock.advance(seconds=3599)
    assert operator.opens("token") == "acme"
    operator.clock.advance(seconds=1)
    assert operator.opens("token") is None


def test_an_edit_of_the_secret_takes_effect_within_the_caches_time(operator: Operator) -> None:
    operator.put(acme=connection(caller("revoked")))
    assert operator.opens("revoked") == "acme"
    operator.put(acme=connection(caller("fresh")))
    operator.clock.advance(seconds=CACHE_SECONDS)
    assert (operator.opens("revoked"), operator.opens("fresh")) == ("acme", None)
    operator.clock.advance(seconds=0.1)
    assert (operator.opens("revoked"), operator.opens("fresh")) == (None, "acme")


def test_a_digest_is_not_a_token(operator: Operator) -> None:
    operator.put(acme=connection(caller("token")))
    assert operator.opens(digest("token")) is None


def test_a_digest_may_be_written_in_capitals(operator: Operator) -> None:
    operator.put(acme=connection({"sha256": digest("token").upper()}))
    assert operator.opens("token") == "acme"


def test_the_empty_token_opens_nothing_even_where_its_digest_stands(operator: Operator) -> None:
    operator.put(acme=connection(caller("")))
    for authorization in (None, "", "Bearer", "Bearer ", "Basic x"):
        assert operator.connections.of_caller(authorization, START) is None


@pytest.mark.parametrize(
    "entry",
    [
        {"callers": []},
        {"finch_token": "", "callers": []},
        {"finch_token": "canary\n"},
        {"finch_token": " canary"},
        {"finch_token": "canary\u00e9"},
        {"finch_token": "canary\r\nHost: elsewhere"},
        {"finch_token": ["canary"]},
        {"finch_token": "canary", "callers": [{"sha256": "canary"}]},
        {"finch_token": "canary", "callers": [{"sha256": "0" * 64, "expires_at": "canary"}]},
        {"finch_token": "canary", "callers": {"canary": 1}},
        "canary",
        None,
    ],
    ids=str,
)
def test_one_connections_mistake_shuts_out_no_other_and_is_told_without_its_secrets(
    operator: Operator, entry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    operator.put(broken=entry, acme=connection(caller("token")))
    assert operator.connections.names() == ["acme"]
    assert operator.opens("token") == "acme"
    with pytest.raises(UnknownConnection, match="broken"):
        operator.connections.token("broken")
    told = [record for record in caplog.records if record.name.endswith("connections")]
    assert [vars(record)["connection"] for record in told] == ["broken"]
    assert all("canary" not in repr(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("name", ["", "a/b", "a#b", "x" * 65, "-a", "\u00e9", "a\n"])
def test_a_name_that_could_not_be_a_key_is_left_out(operator: Operator, name: str) -> None:
    operator.put(**{name: connection(), "acme": connection()})
    assert operator.connections.names() == ["acme"]


@pytest.mark.parametrize("text", ["canary", "[]", "{}", '{"connections":["canary"]}', '{"connections":null}'])
def test_a_secret_that_is_none_is_told_without_its_content(operator: Operator, text: str) -> None:
    operator.put_text(text)
    with pytest.raises(ValueError, match="is not") as wrong:
        operator.connections.names()
    assert "canary" not in str(wrong.value)


def test_the_token_that_replaced_a_refused_one_is_found_at_once(operator: Operator) -> None:
    operator.put(acme=connection(finch="old"))
    assert operator.connections.token("acme") == "old"
    assert operator.connections.newer_token("acme", "old") is None
    operator.put(acme=connection(finch="new"))
    assert operator.connections.newer_token("acme", "old") == "new"
