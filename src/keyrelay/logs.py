"""Logs: one line an event, a constant event with data beside it."""

import asyncio
import logging
import sys
import traceback
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger


def configure_logs(log_format: str, stream: TextIO = sys.stderr) -> None:
    """Send all log lines to `stream`, as JSON or, on a terminal, as text."""
    as_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if as_text
        else structlog.processors.JSONRenderer()
    )
    steps: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _keep_frames_only,
    ]
    structlog.configure(
        processors=[*steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
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
    logging.getLogger("keyrelay").setLevel(logging.INFO)


def report_loop_fault(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Log what nobody awaited; asyncio's own words quote the exception's."""
    error = context.get("exception")
    given = error if isinstance(error, BaseException) else None
    structlog.get_logger(__name__).error(str(context["message"]), exc_info=given)


def _keep_frames_only(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and frames: its words may quote a secret."""
    given = event.pop("exc_info", None)
    found = sys.exc_info() if given is True else given
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["frames"] = traceback.format_tb(error.__traceback__)
    return event
