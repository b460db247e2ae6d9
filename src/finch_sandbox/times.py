"""Times on the wire."""

from datetime import UTC, datetime
from typing import Literal


def rfc3339(at: float, precision: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """A time in seconds since the epoch as Finch writes it, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=precision).replace("+00:00", "Z")
