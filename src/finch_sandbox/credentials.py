"""Credentials that are plainly no real ones."""

from uuid import uuid4

MARK = "10ca15ec2e75"
"""In every credential that is made up locally, so that one can be told wherever it turns up.

Twelve characters that are hexadecimal, and base64 of whole bytes: the mark fits into whatever form a credential has.
"""


def new_token() -> str:
    """An access token: a UUID, as in Finch's examples, that ends in the mark."""
    return str(uuid4())[: -len(MARK)] + MARK
