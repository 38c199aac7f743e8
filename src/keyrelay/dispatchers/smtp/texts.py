"""Texts: what a mail's texts become where a mail cannot carry them.

Data comes from devices: a control character in it is no reason to bury an alert. It is
replaced, visibly, and the record of the attempt says in which text.
"""

import re
import unicodedata

_BREAKS = re.compile(r"[\r\n\t]+")
_BIDI = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_HALF = re.compile("[\ud800-\udfff]")
_NUL = "\N{SYMBOL FOR NULL}"


def is_header_text(text: str) -> bool:
    """Tell whether `text` is safe inside a header, where administrators write it.

    Not safe: C0 and C1 controls, line and paragraph separators, halves of surrogate
    pairs, and bidirectional controls, which show a text in another order.
    """
    # Printable text, as most is, holds none of these.
    return text.isprintable() or not any(map(_is_unsafe, text))


def header_text(text: str) -> str:
    """Return `text` as it can stand in a header.

    CR, LF and TAB in a row become one space, any other unsafe character U+FFFD.
    """
    if is_header_text(text):
        return text
    text = _BREAKS.sub(" ", text)
    return "".join(_REPLACEMENT if _is_unsafe(each) else each for each in text)


def body_text(text: str) -> str:
    """Return `text` as it can stand in a body: NUL, which no mail has, as U+2400.

    See RFC 5322 section 2.2 and RFC 2045 section 2.7.
    """
    return _HALF.sub(_REPLACEMENT, text.replace("\0", _NUL))


def _is_unsafe(character: str) -> bool:
    return character in _BIDI or unicodedata.category(character) in _UNSAFE
