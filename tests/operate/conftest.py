"""The stage of the workflow tests, where an execution's day takes no time."""

from tests.workflow.conftest import workflow

__all__ = ["workflow"]
