"""JSON flaws: where a text stops being strict JSON, and why.

Read only once a document was refused. No value is quoted: what is refused may be a
secret.
"""

import codecs
import json
import math
import re
from collections.abc import Iterator

_TOKENS = re.compile(
    r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?'
    r"|-?[A-Za-z]+",
    re.DOTALL,
)
_COLON = re.compile(r"[ \t\r\n]*:")
_MARK = codecs.BOM_UTF8
_BEGINNINGS = (b"{", b"[", b" ", b"\n")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})


def json_flaw(raw: bytes | str) -> str:
    """Return why it is no strict JSON, with line and column; "" if that is not seen.

    Lines end with LF; columns count code points. Both begin with 1.
    """
    try:
        given = raw if isinstance(raw, bytes) else raw.encode()
    except UnicodeEncodeError:
        return "half a surrogate pair is no character"
    if (encoding := _encoding_flaw(given)) is not None:
        return encoding
    try:
        text = given.decode()
    except UnicodeDecodeError as error:
        before = given[: error.start].decode()
        return f"it is not UTF-8 at {_place(before, len(before))}"
    found = _syntax_flaw(text) or next(_strict_flaws(text), None)
    return f"{found[1]} at {_place(text, found[0])}" if found else ""


def _encoding_flaw(given: bytes) -> str | None:
    """Return what the first bytes show to be no JSON in UTF-8."""
    if not given.strip():
        return "it is empty"
    if given.startswith(_MARK):
        return "it begins with a byte order mark: save it as UTF-8 without one"
    # Longer marks first: the one of UTF-32 begins as that of UTF-16.
    if given.startswith(_UTF_32) or _is_wide(given, 4):
        return "it is UTF-32: write it as UTF-8"
    if given.startswith(_UTF_16) or _is_wide(given, 2):
        return "it is UTF-16: write it as UTF-8"
    if given[0] == 0:
        return (
            "it begins with a zero byte, as Confluent's serialisers write one and the"
            " four bytes of a schema's id: write plain JSON"
        )
    return None


def _is_wide(given: bytes, width: int) -> bool:
    """Tell whether it is `{` or a blank in units of so many bytes, without a mark."""
    if len(given) % width:
        return False
    first = given[:width]
    return first.strip(b"\0") in _BEGINNINGS and first.count(0) == width - 1


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"line {line}, column {column}"


def _syntax_flaw(text: str) -> tuple[int, str] | None:
    """Return what RFC 8259 forbids; the decoder's error is not kept: it holds all."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        what = error.msg.partition(":")[0].removesuffix(" at")
        if what == "Extra data":
            what = "a second document begins, and one is taken,"
        return error.pos, what[:1].lower() + what[1:]
    except (RecursionError, ValueError):  # too deep, or an integer of too many digits
        return None
    return None


def _strict_flaws(text: str) -> Iterator[tuple[int, str]]:
    """Yield what JSON allows and we do not."""
    keys: list[set[str]] = [set()]
    for token in _TOKENS.finditer(text):
        word = token[0]
        match word[0]:
            case "{" | "[":
                keys.append(set())
            case "}" | "]":
                keys.pop()
            case '"':
                is_key = _COLON.match(text, token.end())
                what = _string_flaw(json.loads(word), keys[-1] if is_key else None)
                if what:
                    yield token.start(), what
            case _ if word in _NO_NUMBERS:
                yield token.start(), "not a number of JSON"
            case _ if word[-1] in "0123456789" and _is_too_large(word):
                yield token.start(), "a number is too large"


def _string_flaw(text: str, keys: set[str] | None) -> str | None:
    """Return the flaw of a string; with `keys` it is one more of that object's."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half a surrogate pair is no character"
    if keys is None:
        return None
    if text in keys:
        return "a key stands twice in one object"
    keys.add(text)
    return None


def _is_too_large(digits: str) -> bool:
    return math.isinf(float(digits)) or (digits.isdigit() and len(digits) > 4000)
