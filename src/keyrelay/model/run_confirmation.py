"""Run confirmation: what a script that runs elsewhere says of its own end.

It is the script's word, as the lines of its console are. Nothing vouches for it,
nothing is settled or released by it, and no audit record is made of it. The run was
delivered when it was handed over, and stays so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.documents import refuse_unknown, require_bool, require_text

LONGEST_MESSAGE = 1000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfirmation:
    """Whether the script ended well, in its own words; `at` is when it said so."""

    at: datetime
    ok: bool
    message: str | None = None


def parse_confirmation(
    document: Mapping[str, object], now: datetime
) -> RunConfirmation:
    """Read `ok` and, where it is given, `message`, or raise InvalidDefinition."""
    refuse_unknown(document, ("ok", "message"), "a confirmation")
    message = document.get("message")
    if message is not None:
        message = require_text(message, "message", longest=LONGEST_MESSAGE, shortest=0)
    return RunConfirmation(
        at=now, ok=require_bool(document.get("ok"), "ok"), message=message
    )
