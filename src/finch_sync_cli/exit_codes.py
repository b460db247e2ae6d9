"""How a command tells a script how it went."""

from enum import IntEnum

from finch_sync.jobs import Tracking


class ExitCode(IntEnum):
    """What the commands on jobs exit with."""

    COMPLETE = 0
    """The job is complete; or what was asked for was done."""

    FAILED = 1
    """Finch's final word is `error`."""

    USAGE = 2
    """The command line is wrong."""

    ACTION_REQUIRED = 3
    """Finch's final word is `reauth_error` or `permissions_error`: a person must act."""

    TRACKING_ENDED = 4
    """The job is followed no more, and Finch has not said how it ended: timed out, or lost."""

    NO_ANSWER = 5
    """The API, or AWS, refused or gave no answer."""

    STILL_RUNNING = 6
    """The job has not ended yet."""


_BY_STATUS = {
    "complete": ExitCode.COMPLETE,
    "error": ExitCode.FAILED,
    "reauth_error": ExitCode.ACTION_REQUIRED,
    "permissions_error": ExitCode.ACTION_REQUIRED,
}


def of_job(status: str, tracking: str | None) -> ExitCode:
    """How a job stands, as an exit code.

    Args:
        status: Finch's word.
        tracking: Ours, if it is known.
    """
    if tracking in {Tracking.TIMED_OUT, Tracking.LOST}:
        return ExitCode.TRACKING_ENDED
    return _BY_STATUS.get(status, ExitCode.STILL_RUNNING)
