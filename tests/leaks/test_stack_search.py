"""The search at a stack's end looks where the stack writes: a job leaves its id in each of those places."""

import time

import pytest
import urllib3

from tests import canaries
from tests.stack import Place
from tests.written_down import searched

pytestmark = pytest.mark.xdist_group("stack")

PLACES = (
    "record",
    "execution",
    "history of execution",
    "log group",
    "answers.jsonl",
    "what Finch saw",
    "event on the bus",
)


def test_a_job_is_found_in_every_place(place: Place) -> None:
    looked_at: list[tuple[str, object]] = []

    with pytest.MonkeyPatch.context() as patch, searched(place.stack):
        job_id = followed(place)
        # From here on the search is to find nothing, but to show what it looks at.
        patch.setattr(canaries, "search", lambda where, *things: looked_at.extend((where, x) for x in things))

    missed = [name for name in PLACES if not any(w.startswith(name) and job_id in repr(what) for w, what in looked_at)]
    assert missed == []


def followed(place: Place) -> str:
    """A job that has ended."""
    headers = {"Authorization": f"Bearer {place.caller_token}"}
    accepted = urllib3.request("POST", f"{place.api_url}/sandbox/jobs", json={"type": "data_sync_all"}, headers=headers)
    job_id: str = accepted.json()["job_id"]
    deadline = time.monotonic() + 90
    headers["Prefer"] = "wait=20"
    while time.monotonic() < deadline:
        job = urllib3.request("GET", f"{place.api_url}/jobs/automated/{job_id}", headers=headers, timeout=60).json()
        if job["status"] == "complete":
            return job_id
    pytest.fail(f"not within 90 s: {job}")
