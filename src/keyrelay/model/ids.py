"""Identity: the 24 characters by which everything is known."""

import os
import re
from datetime import datetime

_ID = re.compile(r"[0-9a-f]{24}")


def new_id(now: datetime) -> str:
    """Return 24 hexadecimal digits: the second, then 64 random bits.

    Ids made later sort later, so rows lie in the order of their making.
    """
    return f"{int(now.timestamp()):08x}{os.urandom(8).hex()}"


def is_id(text: object) -> bool:
    return isinstance(text, str) and _ID.fullmatch(text) is not None
