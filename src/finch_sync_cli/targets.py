"""Which stack's API the commands on jobs call, and as whom."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from finch_sync_cli.api import Api
from finch_sync_cli.errors import UsageError
from finch_sync_cli.executions import Executions
from finch_sync_cli.stacks import stack

LOCAL_STACK = Path(".local/stack.json")
"""Where `make up` says where its stack is."""

Url = Annotated[str | None, typer.Option(envvar="FINCH_SYNC_URL", help="The stack's API, its output ApiUrl.")]
Token = Annotated[
    str | None,
    typer.Option(envvar="FINCH_SYNC_TOKEN", help="A caller token. The environment is safer: arguments can be seen."),
]
LocalStack = Annotated[
    Path | None,
    typer.Option("--stack", help=f"A local stack's stack.json, in place of the two; {LOCAL_STACK} if there is one."),
]
Connection = Annotated[
    str | None, typer.Option("--connection", "-c", help="With --stack: as whom to call. Otherwise as its first one.")
]
AwsStack = Annotated[
    str | None,
    typer.Option(
        "--stack-name", help="The CloudFormation stack, to draw from its executions with your AWS credentials."
    ),
]


@dataclass(frozen=True)
class Target:
    """What a command calls; with access to AWS, what it can look into too."""

    api: Api
    executions: Executions | None = None


def target(url: str | None, token: str | None, file: Path | None, connection: str | None, name: str | None) -> Target:
    """Find what the options name.

    Raises:
        UsageError: They name nothing, or nothing that is there.
    """
    if file is None and url is None and token is None and name is None and LOCAL_STACK.exists():
        file = LOCAL_STACK
    if file is not None:
        return _local(file, connection)
    if connection is not None:
        raise UsageError("--connection goes with --stack; elsewhere the caller token says whom it opens")
    found = None if name is None else stack(None, name)
    url = url or (None if found is None else found.outputs["ApiUrl"])
    if not url or not token:
        raise UsageError("set FINCH_SYNC_URL and FINCH_SYNC_TOKEN, or name a local stack with --stack FILE")
    return Target(Api(url, token), None if found is None else Executions(found))


def _local(file: Path, connection: str | None) -> Target:
    found = stack(file, "finch-sync")
    written = json.loads(file.read_text())
    tokens: dict[str, str] = written["connections"]
    if connection is not None and connection not in tokens:
        raise UsageError(f"{connection!r} is none of {', '.join(tokens)}")
    return Target(Api(written["api_url"], tokens[connection or next(iter(tokens))]), Executions(found))
