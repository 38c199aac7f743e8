"""Scrubbing: a peer's text without secret values, for logs and records.

No regular expression is built from a value, as `re` would keep it in its cache.
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
_INVISIBLE = frozenset({"Cf", "Co", "Cn"})
_BREAKS = frozenset({"Cc", "Zl", "Zp"})


def scrub(text: str, values: Collection[str]) -> str:
    """Return `text` without any of `values`, on one line, of at most 200 characters.

    A value is masked where it stands plain, in base64 (RFC 4648; also as a part of
    something longer, as in SASL PLAIN, RFC 4616), URL-encoded, and escaped for JSON or
    HTML. Line breaks become spaces, and invisible characters are removed.
    """
    # Before the search: a zero-width character inside a value would hide it.
    text = text if text.isascii() and text.isprintable() else _visible(text)
    values = [value for value in values if value]
    # Base64 first: a short value that is masked inside a base64 word would hide it.
    for core in _base64_forms(values):
        text = _without_words(text, core)
    for form in sorted(set(_plain_forms(values)), key=len, reverse=True):
        text = text.replace(form, _MASK)
    # After the search: the first half of a value that was cut would stay.
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _visible(text: str) -> str:
    return "".join(map(_visible_character, text)).strip()


def _visible_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in _BREAKS:
        return " "
    if category == "Cs":  # a byte that was no UTF-8
        return "?"
    return "" if category in _INVISIBLE else character


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
    """Yield the base64 of each value at each position in a longer input.

    The characters at either end also depend on the neighbours and are left out. What
    remains of a very short value would be found in ordinary words, so such a value is
    masked only alone and in SASL PLAIN.
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
    """Mask each base64 word that holds `core`, whole: its ends belong to the value."""
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
