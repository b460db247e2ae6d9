"""The function, watched: it answers an event, and tells then what it has loaded and run since its process's start.

A Lambda handler. Modules are told by name with their file, functions as (module, qualified name), and of botocore's
data the services whose models were opened.
"""

import sys
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType
from typing import Any

_ran: set[tuple[str, str]] = set()
_opened: set[str] = set()


def _note_call(frame: FrameType, event: str, _: object) -> None:
    # Bodies of modules and classes run too, when they are imported; of code, only functions' is optimized.
    if event == "call" and frame.f_code.co_flags & CO_OPTIMIZED:
        _ran.add((frame.f_globals.get("__name__", ""), frame.f_code.co_qualname))


def _note_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str):
        _opened.add(arguments[0])


sys.addaudithook(_note_open)
sys.setprofile(_note_call)

from finch_sync import app  # noqa: E402 - watched from here on


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Look, and tell what that took."""
    app.handler(event, context)
    models = [Path(file) for file in _opened if Path(file).name.startswith("service-2.json")]
    return {
        "loaded": {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())},
        "ran": sorted(_ran),
        "services": sorted({file.parent.parent.name for file in models}),
    }
