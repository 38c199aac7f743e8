"""Log lines: how structlog renders and writes them, its own and other loggers'."""

import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePath
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from keyrelay.model.audit_document import printable

_LONGEST = 2000  # characters of one value
_FRAMES = 8  # the innermost, which one value has room for
_STYLES = ("\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[0m")  # dim, bold, cyan, none


@dataclass(frozen=True, slots=True)
class _LineLogger:
    """Writes structlog's rendered lines, and flushes each."""

    stream: TextIO
    name: str

    def info(self, line: str) -> None:
        # As the standard library's handlers do: a full disk must not stop the work.
        with suppress(OSError, ValueError):
            self.stream.write(f"{line}\n")
            self.stream.flush()

    debug = warning = error = critical = info


def configure_structlog(
    stream: TextIO, level: int, *, as_text: bool
) -> logging.Formatter:
    """Send structlog's lines to `stream`; return what renders other records alike."""
    renderers = _text(stream) if as_text else [_as_json]
    # structlog writes past the standard library, whose records take four times as long
    # as all the rest of a line: there is a line for each attempt.
    structlog.configure(
        processors=[*_steps(), *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=partial(_LineLogger, stream),
    )
    return _formatter(renderers)


def _steps() -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _keep_frames_only,
    ]


def _formatter(renderers: Sequence[Processor]) -> logging.Formatter:
    """Return what renders the standard library's records as structlog's lines."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_steps()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *renderers,
        ],
    )


def _text(stream: TextIO) -> list[Processor]:
    from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter

    coloured = stream.isatty() and not os.environ.get("NO_COLOR")
    dim, bold, cyan, end = _STYLES if coloured else ("", "", "", "")
    value = partial(KeyValueColumnFormatter, reset_style=end)
    columns = [
        Column("timestamp", value(None, dim, value_repr=str)),
        Column("level", value(None, bold, value_repr=str, prefix="[", postfix="]")),
        Column("event", value(None, bold, value_repr=str)),
        Column("", value(cyan, "", value_repr=_quoted)),
    ]
    return [_in_one_line, ConsoleRenderer(columns=columns)]


def _in_one_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace each value by text without line ends or characters that hide."""
    return {name: _words(value) for name, value in event.items()}


def _words(value: object) -> str:
    match value:
        case str():
            return printable(" ".join(value.split("\n")), _LONGEST)
        case list() | tuple():
            return printable(
                ", ".join(_words(each).strip() for each in value), _LONGEST
            )
        case None | bool() | int() | float() | dict():
            return printable(_JSON.encode(value), _LONGEST)
        case _:
            return _words(_plain(value))


def _quoted(text: object) -> str:
    """Put it in quotes where it would not be seen as one value."""
    shown = str(text)
    plain = shown and not set(shown) & set(" \"'=")
    return shown if plain else json.dumps(shown, ensure_ascii=False)


def _plain(value: object) -> object:
    """Return what JSON has no type for, never by its repr."""
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case PurePath():
            return str(value)
        case set() | frozenset():
            return sorted(map(str, value))
        case _:
            return type(value).__name__


# Everything but printable ASCII is escaped, so that no character hides or reorders a
# line.
_JSON = json.JSONEncoder(default=_plain)


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    return _JSON.encode(event)


def _keep_frames_only(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and frames: its message may quote a secret."""
    given = event.pop("exc_info", None)
    found = sys.exc_info() if given is True else given
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["frames"] = traceback.format_tb(error.__traceback__, limit=-_FRAMES)
    return event
