"""The commands in the documents: found, and run in place of the AWS CLI on an emulated AWS."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str, language: str = "sh") -> list[str]:
    """The code blocks of a document in one language."""
    found = _BLOCK.finditer((PROJECT / document).read_text())
    return [block["text"] for block in found if block["language"] == language]


def block_with(document: str, text: str, language: str = "sh") -> str:
    """The one code block that holds this text."""
    [found] = [block for block in blocks(document, language) if text in block]
    return found
