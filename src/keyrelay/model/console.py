"""Console: the lines that the script of an analysis prints, as they are kept."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from keyrelay.model.documents import InvalidDefinition, refuse_unknown, require_text

LONGEST_LINE = 8 * 1024  # bytes; what is longer is cut
LARGEST_MESSAGE = 256 * 1024  # bytes of a request

_FIELDS = frozenset({"message", "timestamp"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP = "timestamp must be milliseconds since 1970, or a date in UTC"
CUT = "…"
_UNSEEN = frozenset({"Cc", "Cs"})  # control characters, halves of surrogate pairs
# They show a line in another order than it has.
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e")
_BIDIRECTIONAL |= frozenset("\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleLine:
    """What was printed at once: one line of a run, or one message, of several."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLine:
    """A line and its place: the lines of an analysis are counted from 1."""

    place: int
    line: ConsoleLine


def parse_message(document: Mapping[str, object], now: datetime) -> ConsoleLine:
    """Read what TagoIO's clients send as a line, or raise InvalidDefinition.

    Their timestamps are milliseconds since 1970, as JavaScript sends them, or a date
    without a zone, as Python does; without one, it is now.
    """
    refuse_unknown(document, _FIELDS, "a message")
    longest = LARGEST_MESSAGE
    text = require_text(document.get("message"), "message", longest=longest, shortest=0)
    return ConsoleLine(at=_instant(document.get("timestamp"), now), text=text)


def kept_line(line: ConsoleLine) -> ConsoleLine:
    """Return the line as every database keeps it: cut, and its controls escaped.

    Line breaks and tabs stay. A terminal's escape codes do not: they would be obeyed
    where the line is read.
    """
    text = line.text.replace("\r\n", "\n")
    # In time that depends on what is kept; no character has less than a byte.
    text = "".join(map(_shown, text[: LONGEST_LINE + 1]))
    return replace(line, text=_cut(text))


def with_gap(place: int, lines: Sequence[PlacedLine]) -> Sequence[ConsoleLine]:
    """Return the lines behind that place; those that are gone are told by one line."""
    told = [each.line for each in lines]
    gone = lines[0].place - place - 1 if lines else 0
    if gone > 0:
        told.insert(0, ConsoleLine(at=told[0].at, text=left_out(gone)))
    return told


def left_out(number: int) -> str:
    """Return the line that stands for this many others."""
    return f"({number} {'line was' if number == 1 else 'lines were'} left out here)"


def _instant(value: object, now: datetime) -> datetime:
    match value:
        case None:
            return now
        case bool():
            raise InvalidDefinition(_TIMESTAMP)
        case int() | float():
            return _since_epoch(value)
        case str():
            return _dated(value)
        case _:
            raise InvalidDefinition(_TIMESTAMP)


def _since_epoch(milliseconds: float) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except (ValueError, OverflowError):
        raise InvalidDefinition(_TIMESTAMP) from None


def _dated(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            return instant.replace(tzinfo=UTC)
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidDefinition(_TIMESTAMP) from None


def _shown(character: str) -> str:
    if character in "\n\t" or character.isprintable():
        return character
    is_seen = unicodedata.category(character) not in _UNSEEN
    if is_seen and character not in _BIDIRECTIONAL:
        return character
    return f"\\u{{{ord(character):x}}}"


def _cut(text: str) -> str:
    raw = text.encode()
    if len(raw) <= LONGEST_LINE:
        return text
    whole = raw[: LONGEST_LINE - len(CUT.encode())].decode(errors="ignore")
    return f"{whole}{CUT}"
