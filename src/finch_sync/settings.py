"""What the deployment decided, read from the environment in this one place."""

import ipaddress
import os
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

from finch_sync.models import Model


def _safe_base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and parts.hostname and _is_this_machine(parts.hostname):
        return url
    raise ValueError("must be https; plain http is for loopback and a container bridge only")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # 172.16.0.0/12 is where Docker puts its bridge: how `sam local` reaches a sandbox on its host.
    return address.is_loopback or address in ipaddress.ip_network("172.16.0.0/12")


class SettingsError(Exception):
    """The function's environment is not what template.yaml gives it."""


class Settings(Model):
    """The function's environment variables, by their names in lower case (template.yaml, SyncFunction)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    finch_base_url: Annotated[str, AfterValidator(_safe_base_url)]
    table_name: Annotated[str, Field(min_length=1)]
    connections_secret_id: Annotated[str, Field(min_length=1)]
    state_machine_arn: Annotated[str, Field(pattern=r"^arn:[^:]+:states:[^:]+:[^:]+:stateMachine:.+$")]
    scheduled_connections: Annotated[
        tuple[str, ...], BeforeValidator(lambda text: tuple(filter(None, text.split(","))))
    ]
    event_bus_name: Annotated[str, Field(min_length=1)]
    job_deadline_seconds: Annotated[int, Field(ge=10, le=86400)]
    first_job_seconds: Annotated[int, Field(ge=0, le=86400)]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read and check the environment.

        Raises:
            SettingsError: It names each variable that is missing or wrong.
        """
        try:
            return cls.model_validate({name.lower(): value for name, value in environment.items()})
        except ValidationError as error:
            problems = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
            raise SettingsError(problems) from None
