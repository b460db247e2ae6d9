"""Hostile requests over HTTP to the running stack. What it wrote down meanwhile is searched at its end."""

import http.client
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import pytest

from local_aws.stack import Stack
from tests import canaries
from tests.hostile.requests import Attacker
from tests.stack import Place

pytestmark = pytest.mark.xdist_group("stack")

REQUESTS = 300


def sent(base_url: str, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    """An answer's status, and all the rest of it."""
    address = urlsplit(base_url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.request(method, address.path + path, body, headers)
    answer = connection.getresponse()
    told = f"{answer.getheaders()} {answer.read().decode()}"
    connection.close()
    return answer.status, told


def test_no_request_breaks_the_stack_or_gets_at_anything(stack: Stack, new_place: Callable[[], Place]) -> None:
    place, other = new_place(), new_place()
    order = json.dumps({"type": "data_sync_all"}).encode()
    bearer = {"Authorization": f"Bearer {other.caller_token}"}
    _, told = sent(stack.api_url, "POST", "/sandbox/jobs", bearer, order)
    [theirs] = other.jobs_made()
    assert theirs in told
    attacker = Attacker(4, place.caller_token, theirs)

    def attack(event: dict[str, object]) -> tuple[str, int, str]:
        path, method = str(event["path"]), str(event["httpMethod"])
        given = event["headers"]
        assert isinstance(given, dict)
        # What no HTTP client can send is left to the tests without a network.
        headers = {
            name: value
            for name, value in given.items()
            if name.isascii() and name.replace("-", "").isalnum() and value.isascii() and value.isprintable()
        }
        body = str(event["body"] or "").encode(errors="replace")
        safe = quote(path.encode(errors="replace"), safe="/")[:4_000]
        return (f"{method} {safe}", *sent(stack.api_url, method, safe, headers, body))

    events = [event for event in attacker.events(2 * REQUESTS) if str(event["httpMethod"]).isupper()][:REQUESTS]
    events = [event for event in events if str(event["httpMethod"]).isalpha() and event["httpMethod"] != "CONNECT"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(attack, events))
    for asked, status, told in answers:
        assert status < 500, (asked, told)
        assert theirs not in told, asked
        canaries.search(f"answer to {asked}", told)
    assert {200, 400, 401, 404, 405} <= set(Counter(status for _, status, _ in answers))
    assert other.jobs_made() == [theirs]


def test_ten_megabytes_are_refused(place: Place) -> None:
    headers = {"Authorization": f"Bearer {place.caller_token}"}
    status, _ = sent(place.api_url, "POST", "/sandbox/jobs", headers, b"x" * 10_000_000)
    assert status == 413
    assert place.posts() == 0
