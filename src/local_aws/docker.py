"""The Docker engine, where there is one: how its containers reach this host, and the image they run."""

import ipaddress
import json
import shutil
import socket
import subprocess

import psutil

from local_aws.environments import SetupError

_CONTAINERS_MAY_CALL = ipaddress.ip_network("172.16.0.0/12")  # finch_sync.settings: where plain http is accepted


def available() -> bool:
    """Tell whether an engine answers."""
    return shutil.which("docker") is not None and _docker("version", "--format", "{{.Server.Version}}") is not None


def bridge_address() -> str:
    """Return this host's own address on the bridge that containers are attached to.

    Raises:
        SetupError: the bridge is not on this host, as with an engine in a virtual machine, or not where Docker puts it.
    """
    described = _docker("network", "inspect", "bridge", "--format", "{{json .Options}}")
    interface = json.loads(described or "{}").get("com.docker.network.bridge.name", "docker0")
    addresses = psutil.net_if_addrs().get(interface, [])
    for address in (each.address for each in addresses if each.family == socket.AF_INET):
        if ipaddress.ip_address(address) in _CONTAINERS_MAY_CALL:
            return address
    raise SetupError(
        f"no address in {_CONTAINERS_MAY_CALL} on the interface {interface}: containers could not call back here"
    )


def image_of_runtime(version: str) -> tuple[str, bool]:
    """Return the image that SAM runs a Python function in, pulled if it is missing, and whether it is AWS's own.

    Args:
        version: the function's Python, `major.minor`.

    Raises:
        SetupError: it is not here and cannot be pulled.
    """
    image = f"public.ecr.aws/lambda/python:{version}-x86_64"
    if _digests(image) is None and _docker("pull", "--quiet", image) is None:
        raise SetupError(f"the image {image} is neither here nor can it be pulled")
    # One that was pulled has its registry's digest; one that was made here has none.
    return image, bool(_digests(image))


def _digests(image: str) -> list[str] | None:
    described = _docker("image", "inspect", "--format", "{{json .RepoDigests}}", image)
    return None if described is None else json.loads(described) or []


def _docker(*arguments: str) -> str | None:
    """Return what a docker command says, or None when it fails."""
    run = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return run.stdout.strip() if run.returncode == 0 else None
