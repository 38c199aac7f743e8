"""Crash: what is said of a mistake of our own, which may hold a secret."""

import sys
import traceback
from types import TracebackType

from keyrelay.cli.exits import ExitCode


def report_crash(
    _: type[BaseException], error: BaseException, __: TracebackType | None
) -> None:
    """Say which and where, in one sentence; never in the exception's own words."""
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
