"""Logs: one line for each event, a constant text with its data beside it.

Which logger: on both sides of the ports, engine and adapters, the standard library's,
with the data in `extra`:

    log = logging.getLogger(__name__)
    log.warning("secret paused", extra={"secret": secret.id, "reason": reason})

Above them (services, app, faces) and in this room structlog's, with the data as
keywords. So does the audit log, for the one line that each attempt costs:

    log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)
    log.warning("probes are off", reason=str(fault))

Both end in the same stream and format. The key for a cause is `reason`, everywhere.
Ids are logged, never documents, values or messages of unforeseen exceptions.
"""

import asyncio
import logging
import sys
from dataclasses import dataclass, field
from typing import TextIO

log = logging.getLogger(__name__)

_EVERY = 60.0  # seconds between two lines from one place of a library


def configure_logs(
    log_format: str, stream: TextIO = sys.stderr, level: int = logging.INFO
) -> None:
    """Send all log lines to `stream`.

    `log_format` is `json`, `text`, or `auto`: text on a terminal, otherwise JSON.
    Keyrelay's lines appear from `level` up, those of libraries from WARNING, and of
    these one a minute from each place in their code: during an outage there are
    hundreds a second.
    """
    # Imported here: structlog, which loads rich, takes longer to load than most
    # commands run.
    from keyrelay.observability.log_lines import configure_structlog

    as_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(configure_structlog(stream, level, as_text=as_text))
    handler.addFilter(_LibraryLimit().passes)
    _handle_with(handler, level)


def configure_command_logs(log_format: str, stream: TextIO) -> None:
    """As `configure_logs` from WARNING up, but load structlog with the first line.

    For commands, of which most log nothing. structlog's own lines at those levels are
    those of workers alone, which call `configure_logs`.
    """
    _handle_with(_FirstLine(log_format, stream), logging.WARNING)


def report_loop_fault(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """asyncio's exception handler: log a task's error that was never awaited.

    asyncio's own handler would print the exception's message, which may hold a secret.
    """
    error = context.get("exception")
    given = error if isinstance(error, BaseException) else None
    log.error("%s", context["message"], exc_info=given)


@dataclass(slots=True)
class _Place:
    said_at: float
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class _LibraryLimit:
    """Passes one line a minute from each place; it says how many were left out."""

    places: dict[tuple[str, int], _Place] = field(default_factory=dict)

    def passes(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] == "keyrelay":
            return True
        place = self.places.get(key := (record.pathname, record.lineno))
        if place is not None:
            if 0 <= record.created - place.said_at < _EVERY:
                place.left_out += 1
                return False
            if place.left_out:
                record.left_out = place.left_out
        self.places[key] = _Place(record.created)
        return True


class _FirstLine(logging.Handler):
    """Configures the logs when the first record comes, and has it handled again."""

    def __init__(self, log_format: str, stream: TextIO) -> None:
        super().__init__()
        self._log_format = log_format
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        configure_logs(self._log_format, self._stream, logging.WARNING)
        logging.getLogger(record.name).handle(record)


def _handle_with(handler: logging.Handler, level: int) -> None:
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("keyrelay").setLevel(level)
