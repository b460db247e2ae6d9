"""What our client relies on, held against one Finch: the real one in `make live`, a local sandbox everywhere else.

Nothing here knows which. Where the quota is used up, the test says so and is skipped.
"""

from uuid import uuid4

import pytest

from finch_sync.finch import ActionRequired, Enqueued, JobNotFound, QuotaExhausted, Refused
from finch_sync.jobs import KNOWN_STATUSES, TERMINAL_STATUSES, Report, is_job_id
from tests.live.upstream import JOB_SECONDS, Upstream


def enqueued(upstream: Upstream) -> Enqueued:
    try:
        return upstream.client.enqueue(upstream.token)
    except QuotaExhausted as used_up:
        left = used_up.retry_at.timestamp() - upstream.now() if used_up.retry_at else float("inf")
        if left > upstream.patience:
            pytest.skip(f"no refresh left until {used_up.retry_at}")
        upstream.wait(max(0.0, left) + 1)
        return upstream.client.enqueue(upstream.token)


def followed(upstream: Upstream, job_id: str) -> list[Report]:
    """Every different word on a job, until its last."""
    words = [upstream.client.job(upstream.token, job_id)]
    until = upstream.now() + JOB_SECONDS
    while not words[-1].ended:
        assert upstream.now() < until, f"not ended after {JOB_SECONDS} s: {words[-1]}"
        upstream.wait(1)
        word = upstream.client.job(upstream.token, job_id)
        if word.status != words[-1].status:
            words.append(word)
    return words


@pytest.mark.parametrize("status", sorted(TERMINAL_STATUSES))
def test_a_job_ends_as_it_was_configured_to(upstream: Upstream, status: str) -> None:
    configured = upstream.configure(status)
    assert (configured.status, configured.field("completion_status")) == (200, status)
    told = upstream.call("GET", "/sandbox/jobs/configuration")
    assert told.status == 200
    assert {"type": "data_sync_all", "completion_status": status} in told.body

    job = enqueued(upstream)

    assert job.job_id is not None
    assert is_job_id(job.job_id)
    assert job.quota.allowed is not None
    assert job.quota.remaining is not None
    assert 0 <= job.quota.remaining <= job.quota.allowed
    words = [word.status for word in followed(upstream, job.job_id)]
    assert words[-1] == status
    assert set(words) <= KNOWN_STATUSES
    order = ["pending", "in_progress", status]
    assert words == [each for each in order if each in words], "a job only moves forward"


def test_the_list_can_be_read(upstream: Upstream) -> None:
    listing = upstream.client.jobs(upstream.token)
    made = [report.created_at for report in listing.reports if report.created_at is not None]
    assert made == sorted(made, reverse=True), "newest first"


def test_a_job_that_does_not_exist_is_told_apart(upstream: Upstream) -> None:
    with pytest.raises(JobNotFound):
        upstream.client.job(upstream.token, str(uuid4()))


def test_another_connections_job_is_not_shown(upstream: Upstream) -> None:
    if upstream.other_token is None:
        pytest.skip("needs FINCH_OTHER_TOKEN")
    job = enqueued(upstream)
    assert job.job_id is not None
    with pytest.raises(Refused) as refused:
        upstream.client.job(upstream.other_token, job.job_id)
    assert isinstance(refused.value, JobNotFound | ActionRequired)


def test_a_token_that_never_was_one_needs_a_person(upstream: Upstream) -> None:
    with pytest.raises(ActionRequired) as refused:
        upstream.client.job(str(uuid4()), str(uuid4()))
    assert refused.value.status == 401


@pytest.mark.parametrize("body", [{"type": "nonsense"}, {}])
def test_what_is_not_documented_is_refused_without_a_job(upstream: Upstream, body: dict[str, str]) -> None:
    reply = upstream.call("POST", "/sandbox/jobs", body)
    assert 400 <= reply.status < 500


def test_every_answer_has_an_id_for_finchs_support(upstream: Upstream) -> None:
    for reply in (upstream.call("GET", "/jobs/automated"), upstream.job(str(uuid4()))):
        assert reply.headers.get("finch-request-id")


def test_an_assisted_connection_has_no_job(upstream: Upstream) -> None:
    if upstream.assisted_token is None:
        pytest.skip("needs FINCH_ASSISTED_TOKEN")
    reply = upstream.enqueue(token=upstream.assisted_token)
    if reply.status == 429:
        pytest.skip("no refresh left")
    assert reply.status == 200
    assert reply.field("job_id") is None
