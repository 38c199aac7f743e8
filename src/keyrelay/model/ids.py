"""Ids: 24 lower-case hexadecimal digits for everything that is stored."""

import os
import re
from datetime import datetime

_ID = re.compile(r"[0-9a-f]{24}")


def new_id(now: datetime) -> str:
    """Return 8 digits of the second since 1970, then 16 digits of 64 random bits.

    Ids sort by the second in which they were made.
    """
    return f"{int(now.timestamp()):08x}{os.urandom(8).hex()}"


def is_id(text: object) -> bool:
    return isinstance(text, str) and _ID.fullmatch(text) is not None
