"""Streams: standard input, output and error, whatever the process was started with."""

import os
import sys
from io import TextIOWrapper
from typing import Literal, TextIO


def prepare_streams() -> None:
    """Make all three usable, in any locale.

    One that was closed takes the null device's place, as glibc does it for programs
    that must not be tricked: the next file opened, a database perhaps, would get its
    number. Standard output stands on a null device that cannot be written to, so that
    a command with an answer ends in a sentence, and one without works.
    """
    # Each has the lowest free number in turn.
    sys.stdin = sys.stdin or _open(os.O_RDONLY, "r")
    sys.stdout = sys.stdout or _open(os.O_RDONLY, "w")
    sys.stderr = sys.stderr or _open(os.O_WRONLY, "w")
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        # What the locale's encoding does not have is escaped, as on standard error.
        sys.stdout.reconfigure(errors="backslashreplace")


def flush_output() -> bool:
    """Write what is buffered for standard output; False if that cannot be done.

    Then the rest is discarded, as Python's documentation of SIGPIPE recommends: while
    the process ends, the failure could not be handled.
    """
    try:
        sys.stdout.flush()
    except OSError:
        _discard(sys.stdout)
        return False
    return True


def put_error(sentence: str) -> None:
    """Print a line on standard error; where that is full or gone, nothing."""
    try:
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - as in output.put
    except OSError:
        _discard(sys.stderr)  # what is left of it would change the exit code


def _discard(stream: TextIO) -> None:
    """Have a stream lead to the null device from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _open(flags: int, mode: Literal["r", "w"]) -> TextIO:
    return open(os.open(os.devnull, flags), mode, encoding="utf-8")  # noqa: PTH123
