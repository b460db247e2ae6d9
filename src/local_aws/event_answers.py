"""What the function must answer to each payload in events/."""

import json
from collections.abc import Callable, Mapping
from typing import Any

_CONNECTIONS = {"acme", "globex", "initech-assisted"}
_TAKEN = {"accepted", "attached"}


def mistake(name: str, answer: Any) -> str | None:
    """Say what is wrong with the answer to a payload, or None when nothing is.

    Args:
        name: the payload's file name without its extension.
        answer: the function's answer.
    """
    if isinstance(answer, Mapping) and "errorType" in answer:
        return f"raised {answer['errorType']}: {answer.get('errorMessage')}"
    try:
        right = _RIGHT[name](answer)
    except (KeyError, TypeError, ValueError) as error:
        return f"cannot be read as expected ({error!r}): {answer}"
    return None if right else f"is not as expected: {answer}"


def mistake_of_repetition(first: Any, second: Any) -> str | None:
    """Say what is wrong with the second answer to one idempotency key: it is the first, byte for byte, and says so."""
    try:
        same = first["body"] == second["body"] and second["headers"]["Idempotent-Replayed"] == "true"
    except (KeyError, TypeError):
        same = False
    return None if same else f"does not repeat the first: {second}"


def names() -> set[str]:
    """Return the payloads whose answer is known."""
    return set(_RIGHT)


def _body(answer: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(answer["body"])
    return parsed


def _enqueued(answer: Any) -> bool:
    job = _body(answer)
    path = f".amazonaws.com/v1/jobs/automated/{job['job_id']}"
    return bool(answer["statusCode"] == 200 and job["job_url"].endswith(path))


def _refused(status: int, finch_code: str, message: str) -> Callable[[Any], bool]:
    def right(answer: Any) -> bool:
        said = _body(answer)
        codes = (answer["statusCode"], said["code"], said["finch_code"])
        return codes == (status, status, finch_code) and message in said["message"]

    return right


def _finished(answer: Any) -> bool:
    return bool(answer["statusCode"] == 200 and _body(answer)["status"] == "complete")


def _listed(answer: Any) -> bool:
    return answer["statusCode"] == 200 and any(job["status"] == "complete" for job in _body(answer)["data"])


def _all_enqueued(answer: Any) -> bool:
    assisted = {name for name in _CONNECTIONS if name.endswith("-assisted")}
    return (
        set(answer) == _CONNECTIONS
        and all(answer[name] == "no_job" for name in assisted)
        and all(answer[name] in _TAKEN for name in _CONNECTIONS - assisted)
    )


def _acme_enqueued(answer: Any) -> bool:
    return set(answer) == {"acme"} and answer["acme"] in _TAKEN


def _done(answer: Any) -> bool:
    return (answer["next"], answer["status"]) == ("done", "complete")


def _swept(answer: Any) -> bool:
    return set(answer) == {"request", "job"} and all(isinstance(count, int) for count in answer.values())


_RIGHT: dict[str, Callable[[Any], bool]] = {
    "direct_invocation": _acme_enqueued,
    "execution_timed_out": lambda answer: answer is None,
    "http_get_job": _finished,
    "http_list_jobs": _listed,
    "http_post": _enqueued,
    "http_post_idempotent": _enqueued,
    "http_post_invalid_body": _refused(400, "invalid_request", "type"),
    "http_post_unknown_caller": _refused(401, "invalid_token", "caller token"),
    "poll_task": _done,
    "schedule_by_rule": _all_enqueued,
    "schedule_by_scheduler": _all_enqueued,
    "sweep": _swept,
}
