"""Faults that lie in wait for a call."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from fault_campaign.faults import Fault
from fault_campaign.journal import Call


@dataclass(frozen=True, slots=True)
class Trap:
    """A fault, and the step at which it strikes."""

    step: str
    fault: Fault


@dataclass(slots=True)
class _Armed:
    trap: Trap
    connection: str | None
    trigger: int
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.trap.fault.times


class Armory:
    """The traps that are set. Each strikes the next fitting calls of its connection, or of anyone if it has none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def arm(self, traps: Iterable[Trap], connection: str | None, trigger: int) -> None:
        """Set traps for one trigger."""
        with self._lock:
            self._armed += [_Armed(trap, connection, trigger) for trap in traps]

    def waiting(self, trigger: int) -> bool:
        """Whether a trap of this trigger has not struck yet."""
        with self._lock:
            return any(armed.trigger == trigger for armed in self._armed)

    def disarm(self, trigger: int) -> None:
        """Take away what is left of a trigger's traps."""
        with self._lock:
            self._armed = [armed for armed in self._armed if armed.trigger != trigger]

    def strike(self, call: Call) -> Fault | None:
        """The fault that hits a call, if one waits for it; the call is marked with it."""
        with self._lock:
            for armed in self._armed:
                if armed.trap.step == call.step.name and armed.connection in {None, call.step.connection}:
                    armed.left -= 1
                    if armed.left == 0:
                        self._armed.remove(armed)
                    call.fault, call.trigger = armed.trap.fault.name, armed.trigger
                    return armed.trap.fault
        return None
