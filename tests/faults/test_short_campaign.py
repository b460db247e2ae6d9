"""A short campaign on a stack of its own: the long one is `make faults`."""

import pytest

from fault_campaign import site
from fault_campaign.campaign import conduct, short_campaign
from tests.written_down import searched_stack


@pytest.mark.xdist_group("faults")
def test_nothing_is_lost_doubled_or_wrong_in_a_short_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "running_stack", searched_stack)

    outcome = conduct(short_campaign(24), seed=3, say=print)

    assert outcome.findings == []
    assert outcome.converged
    assert outcome.faulted >= 0.2 * outcome.triggers
    assert any("killed" in row.fault for row in outcome.rows)
