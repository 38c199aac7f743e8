"""Refusals: a foreseen failure ends a command in one sentence, with its exit code."""

import errno
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer
from typer.exceptions import TyperException

from keyrelay.cli.exits import ExitCode
from keyrelay.cli.streams import flush_output, put_error

_NOT_TEXT = "what was given is not text in the locale's encoding, or in UTF-8"


class Refused(Exception):
    """What was asked for is not done; the message says what to do instead."""


class WrongUsage(Exception):
    """The options do not go together; the message says which do."""


def require_choice(ids: Sequence[str], *, everything: bool) -> None:
    """Raises WrongUsage unless triggers are chosen in one of the two ways."""
    if bool(ids) == everything:
        raise WrongUsage("give ids of triggers, or --all with or without filters")


class FoundBroken(Exception):
    """Stored data was altered; the message names the first place."""


@contextmanager
def foreseen() -> Iterator[None]:
    """Turn a foreseen failure into one sentence and its exit code."""
    try:
        yield
        # Flushed here: while the process ends, a failure could not be handled.
        sys.stdout.flush()
    except BrokenPipeError:
        flush_output()
        raise typer.Exit(ExitCode.PIPE_CLOSED) from None
    except OSError as error:
        raise unavailable(error) from None
    except UnicodeError:  # its message quotes what it is about
        raise _exit_with(ExitCode.USAGE, _NOT_TEXT) from None
    except typer.Abort:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except (typer.Exit, TyperException):  # typer ends the command itself
        raise
    except _foreseen_failures() as failure:
        raise _refused(failure) from None


def unavailable(error: OSError) -> typer.Exit:
    """Say what the system refused, and return how the command ends."""
    return _exit_with(ExitCode.UNAVAILABLE, _sentence_of(error))


def _foreseen_failures() -> tuple[type[Exception], ...]:
    # Python evaluates what stands behind `except` only once there is an exception: a
    # command that succeeds does not import these modules.
    from keyrelay.cli.exit_codes import CODES

    return tuple(CODES)


def _refused(failure: Exception) -> typer.Exit:
    from keyrelay.cli.exit_codes import code_of, sentence_of

    return _exit_with(code_of(failure), sentence_of(failure))


def _exit_with(code: ExitCode, sentence: str) -> typer.Exit:
    put_error(f"keyrelay: {sentence}")
    return typer.Exit(code)


def _sentence_of(error: OSError) -> str:
    what = error.strerror or type(error).__name__
    if flush_output():
        return f"{error.filename}: {what}" if error.filename else what
    closed = error.errno == errno.EBADF
    return (
        f"standard output {'is closed' if closed else f'cannot be written: {what}'};"
        " what was done before stands"
    )
