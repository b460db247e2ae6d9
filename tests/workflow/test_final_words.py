import pytest

from finch_sync.jobs import TERMINAL_STATUSES, Tracking
from tests.workflow.stage import Workflow


@pytest.mark.parametrize("word", sorted(TERMINAL_STATUSES))
def test_each_final_word_of_finch_ends_the_execution_well_and_is_on_record(workflow: Workflow, word: str) -> None:
    workflow.sandbox.patch(completion_status=word)

    job = workflow.follow()

    assert job.execution.status == "SUCCEEDED"
    assert job.execution.states[-1] == "Done"
    assert (job.record.tracking, job.record.status) == (Tracking.DONE, word)
    assert job.record.tracking_reason is None
    assert job.record.completed_at is not None
    assert job.record.polls == job.execution.polls
