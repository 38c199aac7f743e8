"""Scrubbing: a peer's text, made fit to be recorded.

No regular expression is built from a value: `re` would keep it in its cache.
"""

import base64
import html
import json
import unicodedata
from collections.abc import Collection, Iterator
from itertools import product
from urllib.parse import quote, quote_plus

LONGEST = 200
_MASK = "***"
_BASE64 = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="
)
_UNSEEN = frozenset({"Cf", "Co", "Cn"})
_BREAKS = frozenset({"Cc", "Zl", "Zp"})


def scrub(text: str, values: Collection[str]) -> str:
    """Return `text` without any of `values`, unseen characters and length.

    A value is found plain, base64 (also inside of something longer, as in SASL
    PLAIN), URL-encoded, and escaped for JSON or HTML.
    """
    # Before the search: a zero-width character inside of a value would hide it.
    text = text if text.isascii() and text.isprintable() else _seen(text)
    values = [value for value in values if value]
    # Base64 first: a short value, masked in the middle of one, would hide it.
    for core in _base64_forms(values):
        text = _without_words(text, core)
    for form in sorted(set(_plain_forms(values)), key=len, reverse=True):
        text = text.replace(form, _MASK)
    # After the search: of a value cut in two the first half would stay.
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _seen(text: str) -> str:
    return "".join(map(_seen_character, text)).strip()


def _seen_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in _BREAKS:
        return " "
    if category == "Cs":  # a byte that was no UTF-8
        return "?"
    return "" if category in _UNSEEN else character


def _plain_forms(values: Collection[str]) -> Iterator[str]:
    for value in values:
        yield value
        for escaped in (quote(value, safe=""), quote(value), quote_plus(value)):
            yield escaped
            yield _with_small_escapes(escaped)
        yield json.dumps(value)[1:-1]
        yield json.dumps(value)[1:-1].replace("/", "\\/")
        yield json.dumps(value, ensure_ascii=False)[1:-1]
        yield html.escape(value)


def _with_small_escapes(escaped: str) -> str:
    first, *escapes = escaped.split("%")
    return first + "".join(f"%{part[:2].lower()}{part[2:]}" for part in escapes)


def _base64_forms(values: Collection[str]) -> Iterator[str]:
    """Yield what base64 makes of each value wherever in its input the value stands.

    The characters at either end also depend on the neighbours and are left out.
    What is left of very short ones would be found in plain words, so these are
    sought in the two places where they stand in practice: alone, and in SASL PLAIN.
    """
    for user, password in product(values, values):
        yield base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    for value in values:
        raw = value.encode()
        yield base64.b64encode(raw).decode()
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + raw).decode()
            first, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
            if end - first >= 4:
                yield encoded[first:end]
                yield encoded[first:end].replace("+", "-").replace("/", "_")


def _without_words(text: str, core: str) -> str:
    """Mask every base64 word that holds `core`: its ends belong to the value too."""
    start = text.find(core)
    while start >= 0:
        end = start + len(core)
        while start > 0 and text[start - 1] in _BASE64:
            start -= 1
        while end < len(text) and text[end] in _BASE64:
            end += 1
        text = text[:start] + _MASK + text[end:]
        start = text.find(core, start + len(_MASK))
    return text
