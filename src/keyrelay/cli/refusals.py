"""Refusals: every foreseen failure, its exit code and its one sentence."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from keyrelay.app.settings import InvalidSettings
from keyrelay.app.store import NotInitialised
from keyrelay.cli.exits import ExitCode
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.trigger import MalformedTrigger
from keyrelay.ports import Unavailable, Unsealable
from keyrelay.services.naming import AmbiguousName, UnknownName
from keyrelay.sources.kafka.connecting.access import InvalidAccess
from keyrelay.sources.kafka.topics.layout import RefusedByKafka
from keyrelay.sources.sqlite.schema import UnknownSchema
from keyrelay.stores.copying import NotCopied
from keyrelay.stores.installation import KeysExist
from keyrelay.stores.refusals import EditedMeanwhile, InUse, NotFound
from keyrelay.stores.schema.age import DatabaseTooNew, DatabaseTooOld


class Refused(Exception):
    """What was asked for is not done; the message says what to do instead."""


class WrongUsage(Exception):
    """The options do not go together; the message says which do."""


class FoundBroken(Exception):
    """Stored data was altered; the message names the first place."""


_CODES: dict[type[Exception], ExitCode] = {
    Refused: ExitCode.REFUSED,
    InvalidDefinition: ExitCode.REFUSED,
    MalformedTrigger: ExitCode.REFUSED,
    NotFound: ExitCode.REFUSED,
    UnknownName: ExitCode.REFUSED,
    AmbiguousName: ExitCode.REFUSED,
    InUse: ExitCode.REFUSED,
    EditedMeanwhile: ExitCode.REFUSED,
    KeysExist: ExitCode.REFUSED,
    NotInitialised: ExitCode.REFUSED,
    NotCopied: ExitCode.REFUSED,
    RefusedByKafka: ExitCode.REFUSED,
    WrongUsage: ExitCode.USAGE,
    InvalidSettings: ExitCode.USAGE,
    InvalidAccess: ExitCode.USAGE,
    Unavailable: ExitCode.UNAVAILABLE,
    UnknownSchema: ExitCode.UNAVAILABLE,
    DatabaseTooNew: ExitCode.UNAVAILABLE,
    DatabaseTooOld: ExitCode.UNAVAILABLE,
    Unsealable: ExitCode.BROKEN,
    FoundBroken: ExitCode.BROKEN,
}
_MOST_IDS = 5  # in one sentence


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
    except tuple(_CODES) as refusal:
        raise _exit_with(_code_of(refusal), _sentence(refusal)) from None


def _code_of(refusal: Exception) -> ExitCode:
    return next(code for kind, code in _CODES.items() if isinstance(refusal, kind))


def _sentence(refusal: Exception) -> str:
    match refusal:
        case UnknownName(noun=noun):
            return f"{refusal}: `keyrelay {noun} list` shows those there are"
        case AmbiguousName(ids=ids):
            return f"{refusal}; say which by id: {', '.join(ids[:_MOST_IDS])}"
        case _:
            return str(refusal)


def _exit_with(code: ExitCode, sentence: str) -> typer.Exit:
    typer.echo(f"keyrelay: {sentence}", err=True)
    return typer.Exit(code)


def _discard_output() -> None:
    """Discard what is buffered, as Python's documentation of SIGPIPE recommends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
