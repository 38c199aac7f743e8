"""Ending: how a run ended, as a value, and in a sentence for people.

Exited       the script ended by itself, with an exit code
OverLimit    it used more of something than it may, and was killed
OverTime     it did not end in time, and was killed
NotStarted   the script itself never ran
Lost         its run is another worker's by now, and it was killed
"""

import signal
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from keyrelay.dispatchers.script.limits import Resource, in_bytes, in_seconds

# Shells, and bwrap, say so that a process was ended by a signal.
_SIGNALLED = 128


@dataclass(frozen=True, slots=True)
class Exited:
    """It ended by itself; 128 and a signal's number: that signal ended it."""

    code: int


@dataclass(frozen=True, slots=True)
class OverLimit:
    """It was killed, as it used more than `limit` of a resource."""

    resource: Resource
    limit: str


@dataclass(frozen=True, slots=True)
class OverTime:
    """It was killed, as it did not end within that time."""

    limit: timedelta


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Not a line of the script has run; `reason` is a sentence for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """It was killed, as its run may be under way in another place by now."""


RunEnd = Exited | OverLimit | OverTime | NotStarted | Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnding:
    """How a run ended, and what is kept of it.

    `peak_memory` is the highest seen in bytes, 0 for a run that did not start, and
    `last_lines` are the last ones that it printed.
    """

    end: RunEnd
    duration: timedelta
    peak_memory: int
    last_lines: tuple[str, ...]

    @property
    def exit_code(self) -> int | None:
        """Return the exit code of a script that ended by itself."""
        return self.end.code if isinstance(self.end, Exited) else None

    @property
    def sentence(self) -> str:
        """Return one line that says how it ended: the last one of the console."""
        used = in_seconds(timedelta(seconds=round(self.duration.total_seconds(), 2)))
        if isinstance(self.end, NotStarted):
            return sentence(self.end)
        return f"{sentence(self.end)} ({used}, {in_bytes(self.peak_memory)} of memory)"


def sentence(end: RunEnd) -> str:
    match end:
        case Exited(0):
            return "The script ended well."
        case Exited(code):
            return f"The script ended with exit code {code}{_signal(code)}."
        case OverLimit(resource, limit):
            return f"The script was killed: it used more {resource} than {limit}."
        case OverTime(limit):
            return f"The script was killed: it ran for longer than {in_seconds(limit)}."
        case NotStarted(reason):
            return f"The script was not started: {reason}."
        case Lost():
            return (
                "The script was killed: this worker has lost the run, and another may"
                " be at work on it."
            )
        case _:
            assert_never(end)


def _signal(code: int) -> str:
    try:
        return f" (ended by {signal.Signals(code - _SIGNALLED).name})"
    except ValueError:
        return ""
