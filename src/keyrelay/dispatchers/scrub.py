"""Scrubbing: a peer's words without secret values, for logs and records.

Only a peer's words are scrubbed, before they enter a sentence of ours: a mask inside
our own sentence would tell which word of it the value is. No regular expression is
built from a value, as `re` would keep it in its cache.
"""

import base64
import html
import json
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import product
from typing import NoReturn, Self
from urllib.parse import quote, quote_plus

LONGEST = 200
MASK = "***"
_BASE64 = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="
)
_INVISIBLE = frozenset({"Cf", "Co", "Cn"})
_BREAKS = frozenset({"Cc", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Scrubber:
    """Masks values in texts, in any letter case.

    A value is masked where it stands plain, in base64 (RFC 4648; also as a part of
    something longer, as in SASL PLAIN, RFC 4616), URL-encoded, and escaped for JSON or
    HTML. These forms are plaintext: they are made once, and kept no longer than the
    session or call that they are for.
    """

    _words: tuple[str, ...]
    _forms: tuple[str, ...]

    @classmethod
    def of(cls, values: Collection[str]) -> Self:
        values = [value for value in values if value]
        return cls(
            tuple({_folded(form) for form in _words(values)}),
            tuple({_folded(form) for value in values for form in plain_forms(value)}),
        )

    def __call__(self, text: str) -> str:
        """Return the text with masks, on one line, of at most 200 characters.

        Line breaks become spaces, and invisible characters are removed.
        """
        # Before the search: a zero-width character inside a value would hide it.
        text = text if text.isascii() and text.isprintable() else _visible(text)
        masked = _without(text, self._spans(text))
        # After the search: the first half of a value that was cut would stay.
        return masked if len(masked) <= LONGEST else masked[: LONGEST - 1] + "…"

    def __getstate__(self) -> NoReturn:
        raise TypeError("what masks a value does not leave the process")

    def _spans(self, text: str) -> list[tuple[int, int]]:
        folded = _folded(text)
        words = [
            _word_around(text, span)
            for word in self._words
            for span in _found(word, folded)
        ]
        return words + [span for form in self._forms for span in _found(form, folded)]


NOTHING_SECRET = Scrubber((), ())


def _found(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield where the form begins and ends, also where it overlaps itself."""
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _word_around(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return the whole base64 word: its ends belong to the value as well."""
    start, end = span
    while start > 0 and text[start - 1] in _BASE64:
        start -= 1
    while end < len(text) and text[end] in _BASE64:
        end += 1
    return start, end


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """Put one mask in the place of spans that touch."""
    parts: list[str] = []
    shown = 0
    for start, end in sorted(spans):
        if start > shown or not parts:
            parts += [text[shown:start], MASK]
        shown = max(shown, end)
    return "".join(parts) + text[shown:]


def _folded(text: str) -> str:
    """Return the text without letter case, character by character."""
    if text.isascii():
        return text.lower()
    return "".join(map(_folded_character, text))


def _folded_character(character: str) -> str:
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character


def _visible(text: str) -> str:
    return "".join(map(_visible_character, text)).strip()


def _visible_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in _BREAKS:
        return " "
    if category == "Cs":  # a byte that was no UTF-8
        return "?"
    return "" if category in _INVISIBLE else character


def plain_forms(value: str) -> Iterator[str]:
    """Yield the value, and how URLs, JSON and HTML write it."""
    # Whole, as some letters become two in another case.
    yield from (value, value.lower(), value.upper(), value.casefold())
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value)[1:-1].replace("/", "\\/")
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield html.escape(value)


def base64_forms(value: str) -> Iterator[str]:
    """Yield the base64 of a value at each position in a longer input.

    The characters at either end also depend on the neighbours and are left out. What
    remains of a very short value would be found in ordinary words, so such a value is
    found only alone.
    """
    raw = value.encode()
    yield base64.b64encode(raw).decode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        first, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        if end - first >= 4:
            yield encoded[first:end]
            yield encoded[first:end].replace("+", "-").replace("/", "_")


def _words(values: Collection[str]) -> Iterator[str]:
    """Yield the base64 of the values, and of each two of them in SASL PLAIN."""
    for user, password in product(values, values):
        yield base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    for value in values:
        yield from base64_forms(value)
