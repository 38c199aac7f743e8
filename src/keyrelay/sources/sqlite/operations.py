"""The clerk: does for a group of callers what each asked, then wakes who waits."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.model.settlement import Settlement, TryAgain
from keyrelay.model.trigger import Trigger
from keyrelay.ports import Unavailable
from keyrelay.sources.sqlite.inspection import count_due, is_drained
from keyrelay.sources.sqlite.lease import HeldLeases
from keyrelay.sources.sqlite.rows import SqliteLoan
from keyrelay.sources.sqlite.writes import Settling, Writes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    ledger: Writes
    bell: Wakeup
    holdings: HeldLeases

    async def accept(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        new = await self.ledger.accept(triggers)
        self.bell.wake(sum(new))
        return new

    async def lend(self, asked: Sequence[None]) -> Sequence[SqliteLoan | None]:
        await self.holdings.renew_if_late()
        loans = await self.ledger.lend(len(asked))
        return [*loans, *[None] * (len(asked) - len(loans))]

    async def settle(self, settlings: Sequence[Settling]) -> Sequence[bool]:
        held = await self.ledger.settle(settlings)
        if self.ledger.terms.drain:
            self.bell.wake_all()
        self.bell.wake(sum(self._may_free(loan, end) for loan, end in settlings))
        return held

    async def is_drained(self) -> bool:
        """Whether this is the end: it is asked for, and there is nothing to do."""
        terms, now = self.ledger.terms, self.ledger.world.now()
        return terms.drain and await is_drained(self.ledger.engine, now)

    async def keep_up(self) -> None:
        """Do, for as long as the queue is open, what nobody asks for."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_around())
            group.create_task(self._renew())
            group.create_task(self._forget())

    async def _look_around(self) -> None:
        """Find what came due, and what other processes accepted or gave back."""
        world, terms = self.ledger.world, self.ledger.terms
        while True:
            await world.sleep(terms.look)
            if not self.bell.waiting:
                continue
            try:
                due = await count_due(
                    self.ledger.engine, world.now(), self.bell.waiting
                )
            except Unavailable:
                due = self.bell.waiting  # they find out, and say it
            self.bell.wake(self.bell.waiting if terms.drain else due)

    async def _renew(self) -> None:
        while True:
            await self.ledger.world.sleep(self.ledger.terms.renewal)
            try:
                await self.holdings.renew()
            except Unavailable as fault:
                log.warning("leases are not renewed", extra={"reason": str(fault)})

    async def _forget(self) -> None:
        # Beside the renewals: after a long pause there may be much to forget.
        while True:
            await self.ledger.world.sleep(self.ledger.terms.renewal)
            try:
                await self.ledger.forget()
            except Unavailable:
                continue  # the lanes say it, and nothing is lost by waiting

    def _may_free(self, loan: SqliteLoan, settlement: Settlement) -> bool:
        in_line = self.ledger.terms.ordered and loan.trigger.key is not None
        return in_line or isinstance(settlement, TryAgain)
