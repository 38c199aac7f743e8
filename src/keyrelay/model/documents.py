"""Documents: the rules for all JSON that comes in, from triggers to definitions.

Each raises InvalidDefinition, whose message names fields and never values: what is
refused may be a secret. `what` is the field's name in that message.
"""

import json
import math
import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import NoReturn

from keyrelay.model.json_flaws import json_flaw

DEEPEST = 32  # levels of objects and lists
_BLANKS = " \t\r\n"  # of JSON; Unicode has more
_NAME = re.compile("[A-Za-z_]{1,40}")


# What answers hold and requests may send back: TagoIO's clients edit and duplicate with
# all that they were told.
# fmt: off
_READ_ONLY = frozenset({
    "id", "profile", "created_at", "updated_at", "token", "console", "last_run",
    "last_state", "last_triggered", "version", "versions", "locked_at", "value_length",
    "paused", "pauses", "prefix", "created_by", "remarks",
})
# fmt: on


class InvalidDefinition(ValueError):
    """The document breaks a rule; the message says what to change."""


def parse_document(raw: bytes | str, *, deepest: int = DEEPEST) -> Mapping[str, object]:
    """Read one strict JSON object, or raise InvalidDefinition.

    Stricter than RFC 8259: UTF-8 only, no key twice in one object (the last of two
    `effect`s would win), no NaN and no number that overflows to infinity, no lone
    surrogate, at most `deepest` levels.
    """
    text = _text(raw)
    document = _decoded(text)
    # Raised here, outside `except`: the decoder's error holds the whole input.
    if not isinstance(document, dict):
        flaw = json_flaw(raw)
        raise InvalidDefinition(
            f"expected one JSON object{(flaw and f': {flaw}') or ''}"
        )
    # Most documents have fewer brackets than that, and need not be walked.
    if text.count("{") + text.count("[") > deepest:
        require_shallow(document, "JSON", levels=deepest)
    return document


def without_read_only(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return the fields that a request can set."""
    return {name: each for name, each in document.items() if name not in _READ_ONLY}


def require_shallow(value: object, what: str, *, levels: int) -> None:
    """Refuse objects and lists that stand in one another over more than `levels`."""
    if not _is_shallow(value, levels):
        raise InvalidDefinition(f"{what} deeper than {levels} levels is refused")


def refuse_unknown(
    document: Mapping[str, object], known: Collection[str], what: str
) -> None:
    """Raise InvalidDefinition if the document has a field that is not known.

    The message repeats a name of letters and underscores alone: another one may be a
    value, or a part of one, that stands where a name should.
    """
    unknown = document.keys() - known
    if unknown:
        first = min(unknown)
        told = repr(first) if _NAME.fullmatch(first) else "of that name"
        raise InvalidDefinition(
            f"{what} has no field {told}; it has {', '.join(sorted(known))}"
        )


def require_text(value: object, what: str, *, longest: int, shortest: int = 1) -> str:
    """Return `value` if it is a string of `shortest` to `longest` code points."""
    if not isinstance(value, str):
        raise InvalidDefinition(f"{what} must be a string")
    if not shortest <= len(value) <= longest:
        raise InvalidDefinition(f"{what} must have {shortest} to {longest} characters")
    return value


def require_label(value: object, what: str, *, longest: int) -> str:
    """Return a text that people compare by eye, of at most `longest` code points.

    Refused, never repaired: invisible characters (control, format, blank letters),
    space at an end, two spaces in a row, and what NFKC (Unicode Annex 15) would
    change, such as full-width letters.
    """
    text = require_text(value, what, longest=longest)
    # Most labels are printable ASCII, which is visible and in NFKC already.
    plain = text.isascii() and text.isprintable()
    if not plain and any(map(_is_unseen, text)):
        raise InvalidDefinition(f"{what} must not hold invisible characters")
    if text != " ".join(text.split()):
        raise InvalidDefinition(f"{what} has only single spaces, and none at an end")
    if not plain and text != unicodedata.normalize("NFKC", text):
        raise InvalidDefinition(f"{what} must be in Unicode's plain form (NFKC)")
    return text


def require_bool(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidDefinition(f"{what} must be true or false")
    return value


def require_list(value: object, what: str, *, longest: int) -> list[object]:
    if not isinstance(value, list):
        raise InvalidDefinition(f"{what} must be a list")
    if len(value) > longest:
        raise InvalidDefinition(f"{what} must have at most {longest} entries")
    return value


def require_object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InvalidDefinition(f"{what} must be an object")
    return value


# Control, format, surrogate, private use, unassigned, line and paragraph separator.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that are invisible as well: Unicode's property
# Default_Ignorable_Code_Point beyond the above, and the empty Braille pattern.
_BLANK = frozenset(
    chr(code)
    for codes in (
        (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180F, 0x2800, 0x3164, 0xFFA0),
        range(0x180B, 0x180E),
        range(0xFE00, 0xFE10),
        range(0xE0100, 0xE01F0),
    )
    for code in codes
)


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN or character in _BLANK


def _text(raw: bytes | str) -> str:
    """Return the text, empty if it is not UTF-8, as with a surrogate in it."""
    try:
        # Decoded here: given bytes, JSON decoders detect UTF-16 and UTF-32, too.
        return (raw if isinstance(raw, bytes) else raw.encode()).decode()
    except ValueError:
        return ""


def _decoded(text: str) -> object:
    """Return the JSON value; None if the text is not strict JSON."""
    try:
        # As `decode` does, but for two regular expressions that look for blanks.
        inner = text.strip(_BLANKS)
        document, end = _STRICT.raw_decode(inner)
        if end != len(inner):
            return None
        if "\\u" in text:  # an escape may have made a lone surrogate
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return document


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError
    return document


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError
    return number


def _no_number(_: str) -> NoReturn:
    raise ValueError


# Made once: json.loads would make a decoder for each document.
_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_number
)


def _is_shallow(value: object, levels: int) -> bool:
    match value:
        case dict():
            return levels > 0 and all(
                _is_shallow(v, levels - 1) for v in value.values()
            )
        case list():
            return levels > 0 and all(_is_shallow(v, levels - 1) for v in value)
        case _:
            return True
