"""Stands in for the AWS CLI, as far as the documents use it: `python aws.py SERVICE OPERATION --option value ...`.

It reads botocore's models, as the AWS CLI does, so that an operation or an option that does not exist is an error.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import botocore.session
import jmespath  # type: ignore[import-untyped] # comes with boto3, without types
from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError

GLOBAL = {"query", "output", "max-items"}


def main(service: str, operation: str, *words: str) -> int:
    if operation == "wait":
        return _wait(service, *words)
    client = _client(service)
    names = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
    model = client.meta.service_model.operation_model(names[operation])
    given, settings, body_file = _options(words, model.input_shape)
    call = getattr(client, xform_name(names[operation]))
    page = call(**given)
    page.pop("ResponseMetadata", None)
    payload = page.pop("Payload", None)
    if payload is not None and body_file is not None:
        Path(body_file).write_bytes(payload.read())
    _show(page, settings)
    return 0


def _client(service: str) -> BaseClient:
    return botocore.session.get_session().create_client(service, endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))


def _wait(service: str, waiter: str, *words: str) -> int:
    client = _client(service)
    given = {_pascal(name): value for name, value in zip(words[::2], words[1::2], strict=True)}
    client.get_waiter(waiter.replace("-", "_")).wait(**given)
    return 0


def _options(words: tuple[str, ...], shape: Any) -> tuple[dict[str, Any], dict[str, str], str | None]:
    members = {xform_name(name, "-"): name for name in shape.members}
    given: dict[str, Any] = {}
    settings: dict[str, str] = {}
    rest = list(words)
    body_file = None
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            body_file = word
            continue
        name = word[2:]
        if name == "reverse-order":
            given[members[name]] = True
        elif name in GLOBAL:
            settings[name] = rest.pop(0)
        else:
            given[members[name]] = _value(rest.pop(0), shape.members[members[name]])
    return given, settings, body_file


def _value(text: str, shape: Any) -> Any:
    if text.startswith(("file://", "fileb://")):
        text = Path(text.partition("://")[2]).read_text()
    match shape.type_name:
        case "integer" | "long":
            return int(text)
        case "boolean":
            return text == "true"
        case "blob":
            return text.encode()
        case "list":
            return json.loads(text) if text.startswith("[") else _items(text, shape.member)
        case "structure" | "map":
            return json.loads(text) if text.startswith("{") else _pairs(text, shape)
    return text


def _items(text: str, member: Any) -> list[Any]:
    return [_pairs(text, member)] if member.type_name == "structure" else text.split()


def _pairs(text: str, shape: Any) -> dict[str, Any]:
    parts = (part.partition("=") for part in text.split(","))
    return {name: _value(value, shape.members[name]) for name, _, value in parts}


def _pascal(option: str) -> str:
    return "".join(part.capitalize() for part in option.removeprefix("--").split("-"))


def _show(page: Any, settings: dict[str, str]) -> None:
    found = jmespath.search(settings["query"], page) if "query" in settings else page
    if settings.get("output") == "text":
        sys.stdout.write("\t".join(map(str, found if isinstance(found, list) else [found])) + "\n")
    elif found not in (None, {}):
        sys.stdout.write(json.dumps(found, default=str) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except ClientError as error:
        sys.exit(str(error))
