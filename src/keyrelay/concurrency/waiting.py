"""Waiting: says for what, once a wait has lasted longer than a person expects."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

SILENT = timedelta(seconds=2)

log = logging.getLogger(__name__)


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Log a warning if the block takes longer than SILENT; `what` is its reason."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(SILENT.total_seconds(), _tell, what)
    try:
        yield
    finally:
        timer.cancel()


def _tell(what: str) -> None:
    log.warning("waiting", extra={"reason": what})
