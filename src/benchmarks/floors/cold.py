"""The least that the cold rows' work takes: http.client, SigV4 by hand, one TLS context, nothing else.

It asks the Runtime API for its event, makes the calls that the function under test was seen to make, with the same
bodies, reads each answer as JSON, and answers. A script, run by itself: `cold.py CALLS`.
"""

import hashlib
import hmac
import http.client
import json
import os
import ssl
import sys
import time
from pathlib import Path

_REGION = "us-east-1"
_SIGNED = "host;x-amz-date;x-amz-security-token;x-amz-target"


def main() -> None:
    """Serve one event."""
    calls = json.loads(Path(sys.argv[1]).read_text())
    runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    context = ssl.create_default_context()
    connections: dict[str, http.client.HTTPSConnection] = {}
    while True:
        runtime.request("GET", "/2018-06-01/runtime/invocation/next")
        given = runtime.getresponse()
        request_id = given.headers["Lambda-Runtime-Aws-Request-Id"]
        json.loads(given.read())
        answer = None
        for call in calls:
            address = call["url"].removeprefix("https://")
            if address not in connections:
                connections[address] = http.client.HTTPSConnection(address, context=context)
            connection = connections[address]
            headers = _signed(call, address) if call["target"] else _of_finch()
            connection.request(call["method"], call["path"], call["body"].encode() or None, headers)
            answer = json.loads(connection.getresponse().read())
        runtime.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", json.dumps(answer).encode())
        runtime.getresponse().read()


def _of_finch() -> dict[str, str]:
    return {
        "Authorization": "Bearer a-finch-token",
        "Finch-API-Version": "2020-09-17",
        "Content-Type": "application/json",
    }


def _signed(call: dict[str, str], host: str) -> dict[str, str]:
    """The headers of a signed call (IAM guide, "Create a signed AWS API request")."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    token = os.environ["AWS_SESSION_TOKEN"]
    payload = hashlib.sha256(call["body"].encode()).hexdigest()
    canonical = (
        f"POST\n/\n\nhost:{host}\nx-amz-date:{moment}\nx-amz-security-token:{token}\nx-amz-target:{call['target']}\n\n"
        f"{_SIGNED}\n{payload}"
    )
    scope = f"{moment[:8]}/{_REGION}/{call['service']}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Date": moment,
        "X-Amz-Security-Token": token,
        "X-Amz-Target": call["target"],
        "Authorization": f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, "
        f"SignedHeaders={_SIGNED}, Signature={signature}",
    }


main()
