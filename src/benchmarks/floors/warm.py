"""What the warm rows are compared with: the same calls by hand, botocore for AWS and urllib3 for Finch, and no more.

A Lambda handler; CALLS names the file of calls that one warm invocation of the function was seen to make.
"""

import json
import os
import ssl
from pathlib import Path
from typing import Any

import botocore.session
import urllib3
from botocore.config import Config

_CLIENTS = {"dynamodb": "dynamodb", "states": "stepfunctions", "secretsmanager": "secretsmanager"}
_METHODS = {"GetItem": "get_item", "PutItem": "put_item", "UpdateItem": "update_item", "Query": "query",
            "TransactWriteItems": "transact_write_items", "StartExecution": "start_execution",
            "GetSecretValue": "get_secret_value"}  # fmt: skip

_calls = json.loads(Path(os.environ["CALLS"]).read_text())
_session = botocore.session.get_session()
_aws = {
    service: _session.create_client(name, config=Config(retries={"mode": "standard"}))
    for service, name in _CLIENTS.items()
    if any(call["service"] == service for call in _calls)
}
_finch = urllib3.PoolManager(ssl_context=ssl.create_default_context())
_HEADERS = {"Authorization": "Bearer t", "Finch-API-Version": "2020-09-17", "Content-Type": "application/json"}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Make the calls."""
    answer = {}
    for call in _calls:
        if call["target"]:
            method = _METHODS[call["target"].rpartition(".")[2]]
            getattr(_aws[call["service"]], method)(**json.loads(call["body"]))
        else:
            url = call["url"] + call["path"]
            answer = json.loads(_finch.request(call["method"], url, body=call["body"] or None, headers=_HEADERS).data)
    return answer
