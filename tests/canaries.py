"""Canaries: every credential of the tests can be told wherever it turns up, and this finds it there.

What the local Finch and the local AWS make up carries a mark (`finch_sandbox.credentials`), and so do the tests' own
credentials. Those that cannot, since the code under test makes them or a file has them, are planted one by one.
A search never stops a test: what it finds makes the phase fail that it is found in (`tests.conftest`).
"""

import base64
import json
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from finch_sandbox.credentials import MARK

_CONTEXT = 80

_leaks: list[str] = []
_forms: dict[str, "Forms"] = {}


@dataclass(frozen=True)
class Forms:
    """What a credential may look like: in any case as it is, percent-encoded, in hexadecimal; exactly so in base64."""

    in_any_case: tuple[str, ...]
    exact: tuple[str, ...]

    @classmethod
    def of(cls, credential: str) -> Self:
        given = credential.encode()
        percents = "".join(f"%{byte:02x}" for byte in given)
        return cls(
            tuple({credential.lower(), quote(credential, safe="").lower(), percents, given.hex()}),
            tuple(form for before in range(3) for form in _in_base64(given, before)),
        )

    def first(self, text: str, lowered: str) -> int:
        """Where the first of them begins, or -1."""
        found = [text.find(form) for form in self.exact] + [lowered.find(form) for form in self.in_any_case]
        return min((place for place in found if place >= 0), default=-1)


def _in_base64(given: bytes, before: int) -> set[str]:
    """Base64, both alphabets, of a credential that begins `before` bytes after a multiple of three."""
    encoded = base64.b64encode(b"\0" * before + given).decode()
    # The characters at both ends hold bits of what stands beside the credential.
    whole = encoded[-(-before * 8 // 6) : (before + len(given)) * 8 // 6]
    return {whole, whole.replace("+", "-").replace("/", "_")}


def plant(credential: str) -> str:
    """Have a credential searched for that has no mark, from now on; the credential."""
    _forms.setdefault(credential, Forms.of(credential))
    return credential


plant(MARK)


def search(where: str, *things: object) -> None:
    """Look for credentials in what was logged, raised, answered, sent or kept; note those that are there.

    Args:
        where: what it is, for whoever has to mend it.
        things: text and bytes as they are, an error with its causes, a mapping or list as JSON, all else by its repr.
    """
    for thing in things:
        text = _text(thing)
        lowered = text.lower()
        places = [place for forms in _forms.values() if (place := forms.first(text, lowered)) >= 0]
        if places:
            around = text[max(0, min(places) - _CONTEXT) : min(places) + _CONTEXT]
            _leaks.append(f"{where}: ...{hidden(around)}...")


def hidden(text: str) -> str:
    """The text without its credentials."""
    for forms in _forms.values():
        known = "|".join([*(f"(?i:{re.escape(form)})" for form in forms.in_any_case), *map(re.escape, forms.exact)])
        text = re.sub(rf"[\w.~+/=%-]*(?:{known})[\w.~+/=%-]*", "<credential>", text)
    return text


def taken() -> list[str]:
    """What was found since this was last asked."""
    found = _leaks.copy()
    _leaks.clear()
    return found


def _text(thing: object) -> str:
    match thing:
        case str():
            return thing
        case bytes():
            return thing.decode(errors="replace")
        case BaseException():
            return "\n".join(_said(thing))
        case dict() | list():
            return json.dumps(thing, default=repr, ensure_ascii=False)
        case _:
            return repr(thing)


def _said(error: BaseException) -> Iterator[str]:
    """All that an error says, down to the first of its chain."""
    link: BaseException | None = error
    told: set[int] = set()  # urllib3 makes chains that end where they began
    while link is not None and id(link) not in told:
        told.add(id(link))
        yield from traceback.format_exception_only(link)
        yield repr(link)
        yield repr(vars(link))
        if isinstance(link, BaseExceptionGroup):
            for each in link.exceptions:
                yield from _said(each)
        link = link.__cause__ or link.__context__
