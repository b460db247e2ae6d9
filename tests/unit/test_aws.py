"""AWS's clients on one TLS context: they verify, they share what is dear, and they are made only when called."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme
from botocore.exceptions import EndpointConnectionError, SSLError

from finch_sync.aws import Aws
from local_aws import processes


class Secrets(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"SecretString": "told"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def served(authority: trustme.CA, host: str) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    with Server(("127.0.0.1", 0), Secrets) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def trusting(*authorities: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for authority in authorities:
        authority.configure_trust(context)
    return context


def secret(tls: ssl.SSLContext, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    told: str = Aws(tls).client("secretsmanager").get_secret_value(SecretId="any")["SecretString"]
    return told


def test_a_certificate_of_a_trusted_authority_is_taken(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(authority, "localhost") as port:
        assert secret(trusting(authority), f"https://localhost:{port}", monkeypatch) == "told"


def test_a_certificate_of_a_stranger_is_refused(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(trustme.CA(), "localhost") as port, pytest.raises(SSLError, match="certificate verify failed"):
        secret(trusting(authority), f"https://localhost:{port}", monkeypatch)


def test_a_certificate_of_another_host_is_refused(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(authority, "elsewhere.example") as port, pytest.raises(SSLError, match="certificate verify failed"):
        secret(trusting(authority), f"https://localhost:{port}", monkeypatch)


def test_where_nobody_listens_botocores_own_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EndpointConnectionError):
        secret(trusting(), f"https://localhost:{processes.free_port()}", monkeypatch)


def test_no_connection_loads_the_roots_again(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(ssl.SSLContext):
        loads = 0

        def load_verify_locations(self, *args: Any, **kwargs: Any) -> None:
            Counting.loads += 1
            super().load_verify_locations(*args, **kwargs)

    tls = Counting(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(tls)
    with served(authority, "localhost") as port:
        secret(tls, f"https://localhost:{port}", monkeypatch)
    assert Counting.loads == 1


def test_a_body_does_not_wait_until_its_headers_are_acknowledged(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(authority, "localhost") as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{port}")
        client = Aws(trusting(authority)).client("secretsmanager")
        took = []
        for _ in range(40):
            began = time.monotonic()
            client.get_secret_value(SecretId="any")
            took.append(time.monotonic() - began)
    # Linux acknowledges a connection's first packets at once, and later ones after 40 ms.
    assert min(took[-10:]) < 0.035


def test_a_client_is_made_when_it_is_first_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    client = Aws(trusting()).client("dynamodb")  # without a region it could not be made
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert client.meta.region_name == "eu-central-1"
