"""Revision: how new definitions are."""

from dataclasses import dataclass

from keyrelay.model.ids import is_id

_LONGEST = 18  # digits: databases keep a number in 64 bits


@dataclass(frozen=True, slots=True)
class Revision:
    """`number` counts the changes of all definitions since the first.

    A database has another `history` once a backup of it was accepted or it was copied:
    of two histories neither revision is older.
    """

    history: str
    number: int

    def is_older_than(self, other: "Revision | None") -> bool:
        if other is None or self.history != other.history:
            return False
        return self.number < other.number

    def __str__(self) -> str:
        return f"{self.history}/{self.number}"


def parse_revision(text: str) -> Revision | None:
    """Return the revision that is written so; None, it is none."""
    history, _, number = text.partition("/")
    is_number = number.isascii() and number.isdigit() and len(number) <= _LONGEST
    return Revision(history, int(number)) if is_id(history) and is_number else None


async def no_revision() -> None:
    """Return the revision where there are no definitions."""
