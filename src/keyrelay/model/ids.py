"""Ids: 24 lower-case hexadecimal digits for everything that is stored."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

LENGTH = 24
SHORTEST_BEGINNING = 4

_ID = re.compile(rf"[0-9a-f]{{{LENGTH}}}")
_BEGINNING = re.compile(rf"[0-9a-f]{{{SHORTEST_BEGINNING},{LENGTH - 1}}}")


@dataclass(frozen=True, slots=True)
class Beginnings:
    """How the ids begin that are looked for; `most` of them are enough."""

    texts: Collection[str]
    most: int


def new_id(now: datetime) -> str:
    """Return 8 digits of the second since 1970, then 16 digits of 64 random bits.

    Ids sort by the second in which they were made.
    """
    return f"{int(now.timestamp()):08x}{os.urandom(8).hex()}"


def made_at(id_: str) -> datetime:
    """Return the second in which an id was made. Raises ValueError if it is none."""
    if not is_id(id_):
        raise ValueError("it is no id")
    return datetime.fromtimestamp(int(id_[:8], 16), UTC)


def is_id(text: object) -> bool:
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def is_beginning(text: str) -> bool:
    """Tell whether the text can stand for an id of ours that begins with it."""
    return _BEGINNING.fullmatch(text) is not None
