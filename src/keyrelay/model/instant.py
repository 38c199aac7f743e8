"""Instants: points in time as the wire writes them, ISO 8601 in UTC."""

from datetime import UTC, datetime

from keyrelay.model.documents import InvalidDefinition, require_text


def parse_instant(value: object, what: str) -> datetime | None:
    """Read ISO 8601 with a time zone, as UTC; None stays None.

    Raises InvalidDefinition.
    """
    if value is None:
        return None
    text = require_text(value, what, longest=40)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidDefinition(f"{what} must be an ISO 8601 time") from None
    if instant.tzinfo is UTC:  # as every text that ends with Z is read
        return instant
    if instant.tzinfo is None:
        raise InvalidDefinition(f"{what} must say its time zone, for example with Z")
    return _as_utc(instant, what)


def wire_instant(instant: datetime) -> str:
    """Return ISO 8601 in UTC with milliseconds and `Z`, as TagoIO writes it."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    text = instant.isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def _as_utc(instant: datetime, what: str) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the first and last day of the calendar
        raise InvalidDefinition(f"{what} is out of range") from None
