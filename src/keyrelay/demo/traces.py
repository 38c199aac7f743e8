"""Traces: a search for secret values in everything that was written or said."""

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path


def traces(values: Sequence[str], directory: Path, said: Iterable[str]) -> list[str]:
    """Return where a value stands, plainly or in base64: file names, or `output`."""
    forms = [form for value in values for form in _forms(value)]
    found = [
        str(path.relative_to(directory))
        for path in sorted(directory.rglob("*"))
        if path.is_file() and _holds(path.read_bytes(), forms)
    ]
    if any(_holds(text.encode(), forms) for text in said):
        found.append("output")
    return found


def _forms(value: str) -> tuple[bytes, bytes]:
    plain = value.encode()
    return plain, base64.b64encode(plain).rstrip(b"=")


def _holds(content: bytes, forms: Sequence[bytes]) -> bool:
    return any(form in content for form in forms)
