"""Instants: moments as the wire has them, ISO 8601 in UTC."""

from datetime import UTC, datetime

from keyrelay.model.documents import InvalidDefinition, require_text


def parse_instant(value: object, what: str) -> datetime | None:
    """Read ISO 8601 with its time zone; None stays None. Raises InvalidDefinition."""
    if value is None:
        return None
    text = require_text(value, what, longest=40)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidDefinition(f"{what} must be an ISO 8601 time") from None
    if instant.tzinfo is UTC:  # most are: what ends with Z is read as this very zone
        return instant
    if instant.tzinfo is None:
        raise InvalidDefinition(f"{what} must say its time zone, for example with Z")
    return _as_utc(instant, what)


def wire_instant(instant: datetime) -> str:
    """Print as wire.md does: ISO 8601, UTC, milliseconds, `Z`."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    text = instant.isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def _as_utc(instant: datetime, what: str) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the first and last day of the calendar
        raise InvalidDefinition(f"{what} is out of range") from None
