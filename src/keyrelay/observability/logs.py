"""Logs: one line an event, a constant event with data beside it."""

import asyncio
import json
import logging
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


@dataclass(frozen=True, slots=True)
class _LineLogger:
    """What our own loggers write with: a line at a time, each at once."""

    stream: TextIO
    name: str

    def info(self, line: str) -> None:
        # As with the standard library's handlers: a disk that is full of log lines
        # must not stop what they tell of.
        with suppress(OSError, ValueError):
            self.stream.write(f"{line}\n")
            self.stream.flush()

    debug = warning = error = critical = info


def configure_logs(
    log_format: str, stream: TextIO = sys.stderr, level: int = logging.INFO
) -> None:
    """Send all log lines to `stream`, as JSON or, on a terminal, as text.

    Ours from `level` up, those of libraries once they warn.
    """
    as_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    steps: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _keep_frames_only,
    ]
    renderer = _text() if as_text else _as_json
    # Rendered without the standard library, whose records take four times as long
    # to make as all the rest of a line: there is one for each attempt.
    structlog.configure(
        processors=[*steps, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=partial(_LineLogger, stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *steps],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("keyrelay").setLevel(level)


def report_loop_fault(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Log what nobody awaited; asyncio's own words quote the exception's."""
    error = context.get("exception")
    given = error if isinstance(error, BaseException) else None
    structlog.get_logger(__name__).error(str(context["message"]), exc_info=given)


def _text() -> Processor:
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(exception_formatter=plain)


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    # Most lines hold nothing but plain ASCII. Where something else may stand, it is
    # escaped, so that it neither hides nor turns the line round.
    line = _quickly(event)
    return line if line.isascii() and "\x7f" not in line else _JSON.encode(event)


_JSON = json.JSONEncoder(default=repr)
_NOT_QUICKLY = "\x7f"


def _quickly(event: EventDict) -> str:
    try:
        encoded = msgspec.json.encode(event, enc_hook=repr)
    except UnicodeEncodeError:  # a lone surrogate
        return _NOT_QUICKLY
    return msgspec.json.format(encoded, indent=0).decode()


def _keep_frames_only(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and frames: its words may quote a secret."""
    given = event.pop("exc_info", None)
    found = sys.exc_info() if given is True else given
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["frames"] = traceback.format_tb(error.__traceback__)
    return event
