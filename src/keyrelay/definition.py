"""Definition: the rules that everything an administrator writes obeys.

Messages name fields, never values: what is refused may be a secret.
"""

import json
import unicodedata
from collections.abc import Collection, Mapping

_DEEPEST = 32


class InvalidDefinition(ValueError):
    """What was written cannot be kept; the message says what to change."""


def parse_document(raw: bytes | str) -> Mapping[str, object]:
    """Read one strict JSON object, or raise InvalidDefinition.

    Strict is: UTF-8, no key twice in one object (of `deny` … `allow` the last
    would win), no NaN, no lone surrogate, at most 32 levels deep.
    """
    document = _decoded(raw)
    # Raised here, outside `except`: the decoder's error holds the whole input.
    if not isinstance(document, dict):
        raise InvalidDefinition("expected one JSON object in which no key stands twice")
    if not _is_shallow(document, _DEEPEST):
        raise InvalidDefinition(f"JSON deeper than {_DEEPEST} levels is refused")
    return document


def refuse_unknown(
    document: Mapping[str, object], known: Collection[str], what: str
) -> None:
    unknown = sorted(set(document) - set(known))
    if unknown:
        raise InvalidDefinition(
            f"{what} has no field {unknown[0]!r}; it has {', '.join(sorted(known))}"
        )


def require_text(value: object, what: str, *, longest: int, shortest: int = 1) -> str:
    """Return `value` if it is a string of that many code points and printable."""
    if not isinstance(value, str):
        raise InvalidDefinition(f"{what} must be a string")
    if not shortest <= len(value) <= longest:
        raise InvalidDefinition(f"{what} must have {shortest} to {longest} characters")
    return value


def require_label(value: object, what: str, *, longest: int) -> str:
    """Return a text that people compare by eye, with no look-alike in it.

    Refused, not repaired: control and format characters (zero-width ones are
    among them), space at an end, and whatever NFKC would change, such as
    full-width letters.
    """
    text = require_text(value, what, longest=longest)
    if any(unicodedata.category(c) in _UNSEEN for c in text):
        raise InvalidDefinition(f"{what} must not hold invisible characters")
    if text != text.strip():
        raise InvalidDefinition(f"{what} must not begin or end with a space")
    if text != unicodedata.normalize("NFKC", text):
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


def _decoded(raw: bytes | str) -> object:
    """Return the JSON value; None for what is not strict JSON."""
    try:
        document = json.loads(
            raw, object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
        # Lone surrogates pass the decoder and break every encoder after it.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return document


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError
    return document


def _refuse_constant(_: str) -> object:
    raise ValueError


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
