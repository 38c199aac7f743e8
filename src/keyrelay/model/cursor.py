"""Cursors: where a list goes on, after the last entry that was read."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keyrelay.model.documents import InvalidDefinition

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_LONGEST = 200  # characters


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of an entry in a list that is sorted by time, then by id."""

    at: datetime
    id: str

    def __str__(self) -> str:
        """Return it as text of letters, digits, - and _, for `parse_cursor`."""
        place = f"{(self.at - _EPOCH) // _TICK} {self.id}"
        return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def parse_cursor(text: str) -> Cursor:
    """Read a cursor as it was given out; raise InvalidDefinition for any other text."""
    cursor = _read(text) if len(text) <= _LONGEST else None
    # Only the one text that stands for it: an edited cursor would lead anywhere.
    if cursor is None or str(cursor) != text:
        raise no_cursor()
    return cursor


def no_cursor() -> InvalidDefinition:
    """Return the refusal of a text that no list has given out."""
    return InvalidDefinition(
        "after must be left out, or be the `next` of a page of this list"
    )


def _read(text: str) -> Cursor | None:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        place = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        ticks, _, id_ = place.partition(" ")
        return Cursor(_EPOCH + int(ticks) * _TICK, id_)
    except (ValueError, OverflowError, binascii.Error):
        return None
