"""Definition answers: what was asked for, and the etag of what was answered."""

from collections.abc import Iterable, Mapping


def only(fields: Iterable[str], document: Mapping[str, object]) -> Mapping[str, object]:
    """Return those of a document's fields; one that it has not is left out."""
    return {name: document[name] for name in fields if name in document}


def tagged(etag: str) -> Mapping[str, str]:
    """Return the header that names a definition's state (RFC 9110, 8.8.3)."""
    return {"ETag": f'"{etag}"'}


def expected_of(headers: Mapping[str, str]) -> str | None:
    """Return the etag that If-Match asks for; None if any will do.

    The SDKs send none: the last writer wins. A list of etags, and a weak one, are
    compared as they stand, and match nothing (RFC 9110, 13.1.1).
    """
    asked = headers.get("if-match")
    if asked is None or asked == "*":
        return None
    return asked.removeprefix('"').removesuffix('"')
