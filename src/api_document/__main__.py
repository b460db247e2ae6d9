"""`python -m api_document` writes docs/openapi.json anew."""

from api_document.document import FILE, text

FILE.write_text(text())
