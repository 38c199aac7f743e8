"""Ours: one worker as `keyrelay worker` makes it, which tells what it uses.

    python -m tests.bench.kafka.ours --count 20000 --null

Settings come from the environment, as ever.
"""

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import uvloop

from keyrelay.app.channels import Dispatchers, open_dispatchers
from keyrelay.app.settings import Settings
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.worker import open_worker
from keyrelay.concurrency.gc_freeze import frozen_for_good
from keyrelay.model.action import Message
from keyrelay.model.outcome import Delivered, Outcome
from keyrelay.model.secret import OpenedSecret
from keyrelay.observability.logs import configure_logs
from keyrelay.ports import Dispatcher, StillHeld
from tests.bench.kafka.gauge import Gauge, listen


@dataclass(frozen=True, slots=True)
class Null:
    """A dispatcher that has always delivered already."""

    gauge: Gauge

    async def dispatch(
        self,
        message: Message,
        secret: OpenedSecret,
        still_held: StillHeld | None = None,
    ) -> Outcome:
        self.gauge.note()
        return Delivered("nothing was done")


@dataclass(frozen=True, slots=True)
class Noted:
    """A dispatcher whose deliveries are counted."""

    behind: Dispatcher
    gauge: Gauge

    async def dispatch(
        self,
        message: Message,
        secret: OpenedSecret,
        still_held: StillHeld | None = None,
    ) -> Outcome:
        outcome = await self.behind.dispatch(message, secret)
        if isinstance(outcome, Delivered):
            self.gauge.note()
        return outcome


async def _work(settings: Settings, gauge: Gauge, *, null: bool) -> None:
    stop = listen(gauge)
    opened = _null(gauge) if null else _noted(settings, gauge)
    async with (
        opened as dispatchers,
        open_worker(settings, dispatchers, drain=False) as process,
    ):
        grace = timedelta(seconds=settings.grace_seconds)
        await process.supervisor.work(stop, grace, _started)


def _started() -> None:
    with frozen_for_good():  # as `keyrelay worker` does
        pass


@asynccontextmanager
async def _null(gauge: Gauge) -> AsyncIterator[Dispatchers]:
    yield {"email-smtp": Null(gauge), "queue-sqs": Null(gauge)}


@asynccontextmanager
async def _noted(settings: Settings, gauge: Gauge) -> AsyncIterator[Dispatchers]:
    async with open_dispatchers(settings) as opened:
        yield {name: Noted(behind, gauge) for name, behind in opened.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--null", action="store_true")
    arguments = parser.parse_args()
    settings = load_settings(None, {})
    configure_logs(settings.log_format, sys.stderr)
    uvloop.run(_work(settings, Gauge(count=arguments.count), null=arguments.null))


if __name__ == "__main__":
    main()
