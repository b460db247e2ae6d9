"""Fixed quota windows: how many refreshes a connection may still force."""

import math
from dataclasses import dataclass, replace

from finch_sandbox.settings import Settings


@dataclass(frozen=True)
class Window:
    """One quota window. Times are seconds since the epoch."""

    opened_at: float
    used: int


def current_window(last: Window | None, settings: Settings, now: float) -> Window:
    """The window that holds now: the last one if it is still open, else a new one."""
    if last is not None and last.opened_at <= now < closes_at(last, settings):
        return last
    if settings.window_anchor == "clock_hour":
        return Window(opened_at=math.floor(now / settings.window_seconds) * settings.window_seconds, used=0)
    return Window(opened_at=now, used=0)


def closes_at(window: Window, settings: Settings) -> float:
    """When the refreshes of a window come back."""
    return window.opened_at + settings.window_seconds


def remaining(window: Window, settings: Settings) -> int:
    """Refreshes left in a window."""
    return max(0, settings.allowed_refreshes - window.used)


def spend(window: Window) -> Window:
    """The window with one refresh more used."""
    return replace(window, used=window.used + 1)
