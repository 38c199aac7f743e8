"""Deadline: waiting for what sends no event, such as a foreign process's port."""

import time
from collections.abc import Callable
from datetime import timedelta

_BETWEEN_LOOKS = timedelta(milliseconds=20)


def met(condition: Callable[[], bool], within: timedelta) -> bool:
    """Return true as soon as the condition is, or false when the time is over."""
    end = time.monotonic() + within.total_seconds()
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(_BETWEEN_LOOKS.total_seconds())
    return True
