"""Any deployed stack, as somebody sees it who has its address and one caller token, and nothing else."""

import json
import os
from dataclasses import dataclass
from typing import Any

import finch
import urllib3


@dataclass(frozen=True)
class Deployed:
    """A stack's API, and a caller token for one connection of it."""

    api_url: str
    token: str

    @property
    def sdk(self) -> finch.Finch:
        """Finch's own SDK, with this stack in Finch's place."""
        return finch.Finch(access_token=self.token, base_url=self.api_url, max_retries=0)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """Call with the caller token, unless `Authorization` says otherwise."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return urllib3.request(
            method,
            self.api_url + path,
            body=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {self.token}"} | named,
            timeout=40,
        )


def named_by_environment() -> Deployed | None:
    """The stack of API_URL and TOKEN, which `make smoke` sets; None without them."""
    api_url, token = os.environ.get("API_URL"), os.environ.get("TOKEN")
    return Deployed(api_url.rstrip("/"), token) if api_url and token else None


def patience() -> float:
    """Seconds that a job may take: Finch's own time, and until our next look."""
    return float(os.environ.get("PATIENCE") or 900)
