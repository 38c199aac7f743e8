"""Instants: points in time as the wire writes them, ISO 8601 in UTC."""

import re
from datetime import UTC, datetime

from keyrelay.model.documents import InvalidDefinition, require_text

NEVER = "never"

_LEAP_YEAR = (
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
)
_DATE = (
    "(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP_YEAR}-02-29)"
)
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]+)?"
_ZONE = "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
# RFC 3339, with its note that T and Z may be in lower case and T a blank. The same
# pattern stands in docs/trigger.schema.json.
PATTERN = f"^{_DATE}[Tt ]{_TIME}{_ZONE}$(?!\\n)"
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_INSTANT = re.compile(PATTERN)


def parse_instant(value: object, what: str) -> datetime | None:
    """Read RFC 3339, as UTC; None stays None.

    A leap second is read as the second before it, and what lies beyond the calendar as
    its first or last instant. Raises InvalidDefinition.
    """
    if value is None:
        return None
    text = require_text(value, what, longest=40)
    if _INSTANT.fullmatch(text) is None:
        raise InvalidDefinition(
            f"{what} must be a time as in RFC 3339, with its zone: 2030-01-31T12:00:00Z"
        )
    if text[17:19] == "60":
        text = f"{text[:17]}59{text[19:]}"
    return _as_utc(datetime.fromisoformat(text.upper()))


def wire_instant(instant: datetime) -> str:
    """Return ISO 8601 in UTC with milliseconds and `Z`, as TagoIO writes it."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    text = instant.isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def wire_date(instant: datetime | None) -> str:
    """Return the same, or `never` for what has not come, as TagoIO writes it."""
    return NEVER if instant is None else wire_instant(instant)


def _as_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the first and last day of the calendar
        return _LAST if instant.year > 1 else _FIRST
