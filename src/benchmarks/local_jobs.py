"""Jobs of a local stack, triggered as callers do."""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from local_aws.stack import Stack


def trigger(stack: Stack, connection: str) -> str:
    """Have a job made over HTTP; its id."""
    caller = {"Authorization": f"Bearer {stack.connections[connection]}", "Content-Type": "application/json"}
    job_id: str = ask("POST", f"{stack.api_url}/sandbox/jobs", {"type": "data_sync_all"}, caller)["job_id"]
    return job_id


def ask(method: str, url: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Any:
    """Ask a server of the local stack, JSON for JSON."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, dict(headers or {}), method=method)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        return json.load(answer)
