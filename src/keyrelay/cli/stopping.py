"""Stopping: a signal ends a process in order, and a second one at once."""

import asyncio
import os
import signal

import structlog

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGINT, SIGTERM and SIGHUP; end the process on the second one."""
    loop = asyncio.get_running_loop()

    def stop_or_exit(number: signal.Signals) -> None:
        if stop.is_set():
            # The second signal: what is unfinished goes back when its lease ends.
            os._exit(128 + number)
        log.info("stopping", signal=number.name)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP before it starts us, and means it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop_or_exit, number)
