"""Times: how people write instants and durations in options."""

import re
from datetime import UTC, datetime, timedelta

from keyrelay.model.documents import InvalidDefinition

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


def parse_since(text: str | None, now: datetime) -> datetime | None:
    """Read an instant, or how long ago it was; None if no text was given.

    Raises InvalidDefinition.
    """
    if text is None:
        return None
    ago = _duration(text)
    return _instant(text) if ago is None else _moved(now, -ago)


def parse_deadline(text: str, now: datetime) -> datetime:
    """Read an instant, or how far away it is. Raises InvalidDefinition."""
    ahead = _duration(text)
    return _instant(text) if ahead is None else _moved(now, ahead)


def _duration(text: str) -> timedelta | None:
    """Read `90s`, `15m`, `2h` or `7d`; None if the text is no duration."""
    found = _DURATION.fullmatch(text)
    return found and int(found[1]) * _UNITS[found[2]]


def _moved(instant: datetime, by: timedelta) -> datetime:
    try:
        return instant + by
    except OverflowError:
        raise InvalidDefinition("that time is out of range") from None


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidDefinition(
            "a time looks like 2030-01-31T12:00:00Z, or like 90s, 15m, 2h or 7d"
        ) from None
    if instant.tzinfo is None:
        raise InvalidDefinition("a time must say its zone, for example with Z")
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the first and last day of the calendar
        raise InvalidDefinition("that time is out of range") from None
