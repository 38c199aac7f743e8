"""Exits: how a command ends, by its exit code, and by one line if it crashed."""

import sys
import traceback
from enum import IntEnum
from types import TracebackType


class ExitCode(IntEnum):
    DONE = 0
    REFUSED = 1  # invalid, not found, in use, denied
    USAGE = 2
    UNAVAILABLE = 3  # sealed vault, locked database, full disk
    BROKEN = 4  # the audit trail or a secret
    BUG = 70  # in Keyrelay; EX_SOFTWARE of sysexits.h
    INTERRUPTED = 130  # 128 + SIGINT, as shells count
    PIPE_CLOSED = 141  # 128 + SIGPIPE


MEANINGS = (
    "Exit codes: 0 done; 1 refused (invalid, not found, in use, denied); 2 wrong usage;"
    " 3 unavailable (sealed vault, locked database, full disk); 4 the audit trail or a"
    " secret was found broken; 70 a mistake of Keyrelay's own; 130 interrupted."
)


def report_crash(
    _: type[BaseException], error: BaseException, __: TracebackType | None
) -> None:
    """Say which exception it is and where it was raised, in one sentence.

    Its message and its arguments are left out: they may hold a secret.
    """
    one = _innermost(error)
    frames = traceback.extract_tb(one.__traceback__)
    places = " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames))
    print(  # noqa: T201 - nothing else may stand between us and the operator
        f"keyrelay: a mistake of Keyrelay's own, {type(one).__name__}, at {places};"
        " please report it",
        file=sys.stderr,
    )
    sys.exit(ExitCode.BUG)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
