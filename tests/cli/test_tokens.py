"""Caller tokens as an operator makes them: from the command line to a secret, and from the secret to the function."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from finch_sandbox.credentials import MARK, new_token
from finch_sync.connections import Connections
from tests import canaries
from tests.world import Aws

ENTRY = {"finch_token": f"{MARK}-finch-of-acme", "callers": [{"sha256": "ab" * 32}], "note": "kept"}


class Operator:
    """Runs the command as a process of its own, on a secret of its own."""

    def __init__(self, aws: Aws, folder: Path) -> None:
        self.aws = aws
        self.secret_id = f"connections-{uuid4()}"
        content = {"connections": {"acme": ENTRY}, "owner": "kept too"}
        aws.secretsmanager.create_secret(Name=self.secret_id, SecretString=json.dumps(content))
        self.stack = folder / "stack.json"
        self.stack.write_text(json.dumps({"aws_endpoint_url": aws.endpoint_url, "region": "us-east-1"}))

    def run(self, *arguments: str, finch_token: str = "", secret: bool = True) -> subprocess.CompletedProcess[str]:
        where = ["--secret-id", self.secret_id, "--stack", str(self.stack)] if secret else []
        return subprocess.run(  # noqa: S603 - this project's own command
            [sys.executable, "-m", "finch_sync_cli", "tokens", *arguments, *where],
            env={"PATH": os.environ["PATH"], "FINCH_TOKEN": finch_token, "AWS_EC2_METADATA_DISABLED": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def make(self, *arguments: str, finch_token: str = "") -> str:
        made = self.run("make", *arguments, finch_token=finch_token)
        assert made.returncode == 0, made.stderr
        [token] = made.stdout.splitlines()
        canaries.plant(token)  # shown this once, and nowhere from now on
        canaries.search("words beside a new token", made.stderr)
        return token

    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(
            self.aws.secretsmanager.get_secret_value(SecretId=self.secret_id)["SecretString"]
        )
        return content

    def opened_by(self, token: str, now: datetime | None = None) -> str | None:
        """The connection that the function opens for a token."""
        connections = Connections(self.aws.secretsmanager, self.secret_id)
        return connections.of_caller(f"Bearer {token}", now or datetime.now(UTC))


@pytest.fixture
def operator(emulated_aws: Aws, tmp_path: Path) -> Operator:
    return Operator(emulated_aws, tmp_path)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def test_a_new_token_opens_its_connection_beside_the_old_ones(operator: Operator) -> None:
    token = operator.make("--connection", "acme")

    assert operator.opened_by(token) == "acme"
    assert operator.content() == {
        "connections": {"acme": ENTRY | {"callers": [{"sha256": "ab" * 32}, {"sha256": digest(token)}]}},
        "owner": "kept too",
    }


def test_a_new_connection_takes_its_finch_token_from_the_environment(operator: Operator) -> None:
    finch_token = new_token()
    token = operator.make("--connection", "globex", finch_token=finch_token)

    assert operator.opened_by(token) == "globex"
    assert operator.content()["connections"]["globex"]["finch_token"] == finch_token
    assert operator.content()["connections"]["acme"] == ENTRY


def test_a_finch_token_is_replaced_on_request_only(operator: Operator) -> None:
    another = new_token()
    operator.make("--connection", "acme", finch_token=another)
    assert operator.content()["connections"]["acme"]["finch_token"] == ENTRY["finch_token"]
    operator.make("--connection", "acme", "--replace-finch-token", finch_token=another)
    assert operator.content()["connections"]["acme"]["finch_token"] == another


def test_a_new_connection_without_a_finch_token_is_refused(operator: Operator) -> None:
    refused = operator.run("make", "--connection", "globex")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert "globex" not in operator.content()["connections"]


def test_a_token_stops_when_it_expires(operator: Operator) -> None:
    token = operator.make("--connection", "acme", "--expires", "2099-01-31T13:00:00+01:00")

    assert operator.content()["connections"]["acme"]["callers"][1]["expires_at"] == "2099-01-31T12:00:00.000Z"
    assert operator.opened_by(token, datetime(2099, 1, 31, 11, 59, tzinfo=UTC)) == "acme"
    assert operator.opened_by(token, datetime(2099, 1, 31, 12, 0, tzinfo=UTC)) is None


@pytest.mark.parametrize("expiry", ["yesterday", "2020-01-01T00:00:00Z", "2099-01-01T00:00:00"])
def test_an_expiry_that_means_nothing_is_refused(operator: Operator, expiry: str) -> None:
    refused = operator.run("make", "--connection", "acme", "--expires", expiry)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert operator.content()["connections"]["acme"] == ENTRY


@pytest.mark.parametrize("name", ["", "no spaces", "../up", "x" * 65])
def test_a_name_that_the_function_would_refuse_is_refused(operator: Operator, name: str) -> None:
    refused = operator.run("make", "--connection", name, finch_token=new_token())
    assert refused.returncode == 1
    assert refused.stderr.startswith("finch-sync: connection ")
    assert list(operator.content()["connections"]) == ["acme"]


def test_a_token_is_rotated_by_making_another_and_revoking_the_first(operator: Operator) -> None:
    first, second = operator.make("--connection", "acme"), operator.make("--connection", "acme")
    assert (operator.opened_by(first), operator.opened_by(second)) == ("acme", "acme")

    revoked = operator.run("revoke", digest(first)[:12].upper())

    assert revoked.returncode == 0, revoked.stderr
    assert (operator.opened_by(first), operator.opened_by(second)) == (None, "acme")


@pytest.mark.parametrize("wrong", ["", "ab", "abababa", "0" * 64])
def test_revoking_needs_a_digest_that_means_one_token(operator: Operator, wrong: str) -> None:
    refused = operator.run("revoke", wrong)
    assert refused.returncode == 1
    assert operator.content()["connections"]["acme"] == ENTRY


def test_the_list_names_digests_and_no_secret(operator: Operator) -> None:
    token = operator.make("--connection", "acme", "--expires", "2099-01-31T12:00:00Z")
    listed = operator.run("list")
    assert listed.stdout.splitlines() == [
        f"acme\t{'ab' * 32}\tdoes not expire",
        f"acme\t{digest(token)}\t2099-01-31T12:00:00.000Z",
    ]


def test_without_a_connection_it_says_what_to_add_and_touches_nothing(operator: Operator) -> None:
    made = operator.run("make", secret=False)
    token = made.stdout.strip()
    assert made.returncode == 0, made.stderr
    assert len(token) == 43
    assert f'{{"sha256": "{digest(token)}"}}' in made.stderr
    assert token not in made.stderr
    assert operator.content()["connections"]["acme"] == ENTRY


def test_a_secret_of_another_form_is_left_alone(operator: Operator) -> None:
    operator.aws.secretsmanager.put_secret_value(SecretId=operator.secret_id, SecretString='["not", "ours"]')
    refused = operator.run("make", "--connection", "acme", finch_token=new_token())
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Traceback" not in refused.stderr
