"""Log lines: how structlog renders and writes them, its own and other loggers'."""

import json
import logging
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


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
    renderer = _text() if as_text else _as_json
    # structlog writes past the standard library, whose records take four times as long
    # as all the rest of a line: there is a line for each attempt.
    structlog.configure(
        processors=[*_steps(), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=partial(_LineLogger, stream),
    )
    return _formatter(renderer)


def _steps() -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _keep_frames_only,
    ]


def _formatter(renderer: Processor) -> logging.Formatter:
    """Return what renders the standard library's records as structlog's lines."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_steps()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            renderer,
        ],
    )


def _text() -> Processor:
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(exception_formatter=plain)


# Everything but printable ASCII is escaped, so that no character hides or reorders a
# line. What JSON has no type for is shown by its repr, which no secret has.
_JSON = json.JSONEncoder(default=repr)


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    return _JSON.encode(event)


def _keep_frames_only(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and frames: its message may quote a secret."""
    given = event.pop("exc_info", None)
    found = sys.exc_info() if given is True else given
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["frames"] = traceback.format_tb(error.__traceback__)
    return event
