"""Waiting: says for what, once a wait has lasted longer than a person expects."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

SILENT = timedelta(seconds=2)

log = logging.getLogger(__name__)


def _never() -> bool:
    return False


@contextmanager
def waiting_for(what: str, is_over: Callable[[], bool] = _never) -> Iterator[None]:
    """Log a warning if the block takes longer than SILENT; `what` is its reason.

    Not so if the wait `is_over` then, although the block goes on.
    """
    loop = asyncio.get_running_loop()
    timer = loop.call_later(SILENT.total_seconds(), _tell, what, is_over)
    try:
        yield
    finally:
        timer.cancel()


def _tell(what: str, is_over: Callable[[], bool]) -> None:
    if not is_over():
        log.warning("waiting", extra={"reason": what})
