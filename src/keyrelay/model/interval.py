"""Intervals: how often something is run, in the words of TagoIO's clients."""

import re
from datetime import timedelta

from keyrelay.model.documents import InvalidDefinition, require_text

NEVER = "never"
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=366)

_INTERVAL = re.compile(r"([1-9][0-9]{0,3}) (minute|hour|day|week)s?")
_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


def parse_interval(value: object) -> timedelta | None:
    """Read `never`, which is None, or `5 minutes`, `1 hour`, `2 days`, `1 week`.

    Raises InvalidDefinition.
    """
    if value is None:
        return None
    text = require_text(value, "interval", longest=40)
    if text == NEVER:
        return None
    found = _INTERVAL.fullmatch(text)
    # The longest is some nine thousand weeks, which no timedelta overflows.
    interval = found and int(found[1]) * _UNITS[found[2]]
    if interval is None or interval > LONGEST:
        raise InvalidDefinition(
            "interval must be never, or a number of minutes, hours, days or weeks of a"
            " year at most: 5 minutes"
        )
    return interval
