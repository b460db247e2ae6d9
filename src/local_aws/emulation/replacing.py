"""How a piece of ministack is replaced: only if it is there, so that an upgrade fails loudly and not silently."""

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


class UnknownVersionError(Exception):
    """The emulator is not the version that these replacements are for."""

    def __init__(self, owner: Any, name: str) -> None:
        super().__init__(f"{owner.__name__} has no {name}: look at local_aws.emulation before upgrading ministack")


def replaces(owner: Any, name: str) -> Callable[[Function], Function]:
    """Put the decorated function in the place of `owner.name`, and give it the original as its first argument.

    Raises:
        UnknownVersionError: `owner` has no such function.
    """
    original = getattr(owner, name, None)
    if not callable(original):
        raise UnknownVersionError(owner, name)

    def decorate(replacement: Function) -> Function:
        def replaced(*args: Any, **kwargs: Any) -> Any:
            return replacement(original, *args, **kwargs)

        setattr(owner, name, replaced)
        return replaced

    return decorate


def constant(owner: Any, name: str, value: float) -> None:
    """Set a number of ministack's that no setting of its own reaches.

    Raises:
        UnknownVersionError: there is no such number.
    """
    if not isinstance(getattr(owner, name, None), int | float):
        raise UnknownVersionError(owner, name)
    setattr(owner, name, value)
