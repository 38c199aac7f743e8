"""Refusals: a foreseen failure ends a command in one sentence, with its exit code."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from typer.exceptions import TyperException

from keyrelay.cli.exits import ExitCode


class Refused(Exception):
    """What was asked for is not done; the message says what to do instead."""


class WrongUsage(Exception):
    """The options do not go together; the message says which do."""


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
        _discard_output()
        raise typer.Exit(ExitCode.PIPE_CLOSED) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise _exit_with(
            ExitCode.UNAVAILABLE, f"{where}{error.strerror or type(error).__name__}"
        ) from None
    except typer.Abort:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except (typer.Exit, TyperException):  # typer ends the command itself
        raise
    except _foreseen_failures() as failure:
        raise _refused(failure) from None


def _foreseen_failures() -> tuple[type[Exception], ...]:
    # Python evaluates what stands behind `except` only once there is an exception: a
    # command that succeeds does not import these modules.
    from keyrelay.cli.exit_codes import CODES

    return tuple(CODES)


def _refused(failure: Exception) -> typer.Exit:
    from keyrelay.cli.exit_codes import code_of, sentence_of

    return _exit_with(code_of(failure), sentence_of(failure))


def _exit_with(code: ExitCode, sentence: str) -> typer.Exit:
    typer.echo(f"keyrelay: {sentence}", err=True)
    return typer.Exit(code)


def _discard_output() -> None:
    """Discard what is buffered, as Python's documentation of SIGPIPE recommends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
