"""The stack that a command works on: one on AWS by its name, or a local one by the file that it wrote."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import boto3
import typer

from finch_sync_cli.errors import UsageError

STACK_NAME = "finch-sync"

StackFile = Annotated[
    Path | None, typer.Option("--stack", help="A local stack's stack.json. Without it: AWS, with your credentials.")
]
StackName = Annotated[str, typer.Option("--stack-name", help="The CloudFormation stack.")]


@dataclass(frozen=True)
class Stack:
    """A deployed stack, by its name, and how to reach the AWS that it is in."""

    name: str
    session: boto3.Session
    endpoint_url: str | None

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs, by their names in template.yaml.

        Raises:
            botocore.exceptions.ClientError: There is no such stack, or you may not look at it.
        """
        cloudformation = self.session.client("cloudformation", endpoint_url=self.endpoint_url)
        [found] = cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}


def stack(file: Path | None, name: str) -> Stack:
    """Find the stack that a command's options name.

    Raises:
        UsageError: The file cannot be read.
    """
    if file is None:
        return Stack(name, boto3.Session(), None)
    try:
        written = json.loads(file.read_text())
        endpoint_url, region = written["aws_endpoint_url"], written["region"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageError(f"{file} is not what a local stack writes: {error}") from None
    # An emulator knows no users; with keys of our own nothing meant for it can reach a real account.
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=region)  # noqa: S106 - no secret
    return Stack(name, session, endpoint_url)
