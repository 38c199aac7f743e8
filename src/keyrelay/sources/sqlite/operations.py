"""Operations: what concurrent callers ask of the queue, and its upkeep.

Each operation serves a whole batch of callers in one transaction, and then wakes as
many waiting lanes as there may be work for.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyrelay.concurrency.outage import Outage
from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.databases.sqlite import Stamp
from keyrelay.model.dead_letter import DeadLetter, UnreadableBurials, UnreadableLetter
from keyrelay.model.outcome import Fault
from keyrelay.model.revision import no_revision
from keyrelay.model.settlement import Settlement, TryAgain
from keyrelay.model.trigger import Trigger
from keyrelay.ports import RevisionNow, Unavailable
from keyrelay.sources.sqlite.inspection import (
    NOTHING_DUE,
    Outlook,
    is_drained,
    outlook,
    waited_for,
)
from keyrelay.sources.sqlite.lease import HeldLeases
from keyrelay.sources.sqlite.rows import SqliteLoan, UnreadableLoan
from keyrelay.sources.sqlite.writes import Settling, Writes

log = logging.getLogger(__name__)

IsPaused = Callable[[str], bool]  # by the id of a secret

_WAITS_END = timedelta(seconds=1)  # after the pause of their secret, at the latest
_LOOK_AGAIN = timedelta(seconds=5)  # although nothing seems to have changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found when the queue was looked at last; at first, nothing was."""

    stamp: Stamp = None
    at: datetime | None = None
    found: Outlook = NOTHING_DUE

    def is_outdated(self, stamp: Stamp, now: datetime) -> bool:
        if self.at is None or self.found.due or stamp != self.stamp:
            return True
        # A clock that was set back must not delay the next look.
        is_old = not timedelta() <= now - self.at < _LOOK_AGAIN
        return is_old or (self.found.next is not None and now >= self.found.next)


async def leave_leased(_: Sequence[UnreadableLetter]) -> None:
    """Bury nothing: for processes that only publish and look."""
    raise Unavailable("this process keeps no dead letters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """What a queue does for its callers; each method raises Unavailable."""

    writes: Writes
    wakeup: Wakeup
    leases: HeldLeases
    bury: UnreadableBurials = leave_leased
    is_paused: IsPaused | None = None
    revision: RevisionNow = no_revision

    async def accept(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        new = await self.writes.accept(triggers, await self.revision())
        self.wakeup.wake(sum(new))
        return new

    async def redrive(self, letters: Sequence[DeadLetter]) -> Sequence[bool]:
        new = await self.writes.redrive(letters, await self.revision())
        self.wakeup.wake(sum(new))
        return new

    async def lend(self, asked: Sequence[None]) -> Sequence[SqliteLoan | None]:
        await self.leases.renew_if_late()
        lent = await self.writes.lend(len(asked))
        loans = [each for each in lent if isinstance(each, SqliteLoan)]
        if unreadable := [each for each in lent if isinstance(each, UnreadableLoan)]:
            await self._bury(unreadable)
        return [*loans, *[None] * (len(asked) - len(loans))]

    async def settle(self, settlings: Sequence[Settling]) -> Sequence[bool]:
        held = await self.writes.settle(settlings)
        if self.writes.options.drain:
            self.wakeup.wake_all()
        self.wakeup.wake(sum(self._may_free(loan, end) for loan, end in settlings))
        return held

    async def bring_forward(self) -> None:
        """Make due, and say so, what seems to be due later than any wait lasts."""
        forward = await self.writes.bring_forward()
        if forward:
            reason = "a clock was ahead when they were accepted or put back"
            said = {"triggers": forward, "reason": reason}
            log.warning("triggers due too late are due now", extra=said)
            self.wakeup.wake(forward)

    async def resume(self) -> None:
        """Make due, and say so, what would never be."""
        if resumed := await self.writes.resume():
            said = {"triggers": resumed, "reason": "their rows are damaged"}
            log.warning("triggers that nothing would make due are due now", extra=said)
            self.wakeup.wake(resumed)

    async def _bury(self, loans: Sequence[UnreadableLoan]) -> None:
        """Bury what holds no trigger. If that fails, it is lent again in time."""
        now = self.writes.world.now()
        letters = [_letter(loan, now) for loan in loans]
        for letter in letters:
            what = {"profile": letter.trigger.profile, "trigger": letter.trigger.id}
            log.error("trigger cannot be read", extra=what | {"reason": letter.reason})
        try:
            # Kept before its row is emptied: a crash between the two keeps it again.
            await self.bury(letters)
            await self.writes.end_unreadable(loans)
        except Unavailable as fault:
            log.error("not buried", extra={"reason": str(fault)})  # noqa: TRY400
        self.wakeup.wake(len(loans))  # lanes got nothing in their place

    async def is_drained(self) -> bool:
        """Return whether the queue is to be drained and nothing is due or leased."""
        now = self.writes.world.now()
        return self.writes.options.drain and await is_drained(self.writes.database, now)

    async def run_upkeep(self) -> None:
        """Poll, renew leases and mend what is old or due too late until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._poll())
                group.create_task(self._renew())
                group.create_task(self._forget())
                if self.is_paused is not None:
                    group.create_task(self._end_waits(self.is_paused))
        finally:
            self.wakeup.wake_all()  # nothing else would tell the lanes that wait

    async def _poll(self) -> None:
        """Wake lanes for what came due, and for what other processes accepted."""
        world, options = self.writes.world, self.writes.options
        look = Look()
        while True:
            await world.sleep(options.poll)
            if not self.wakeup.waiting:
                look = Look()
                continue
            stamp, now = self.writes.database.stamp(), world.now()
            if options.drain or look.is_outdated(stamp, now):
                look = Look(stamp=stamp, at=now, found=await self._look(now))
                due = look.found.due
                self.wakeup.wake(self.wakeup.waiting if options.drain else due)

    async def _look(self, now: datetime) -> Outlook:
        waiting = self.wakeup.waiting
        try:
            return await outlook(self.writes.database, now, waiting)
        except Unavailable:
            # Each lane asks and gets the fault.
            return Outlook(due=waiting, next=None)

    async def _renew(self) -> None:
        outage = Outage(
            log=log, begun="leases are not renewed", over="leases are renewed again"
        )
        while True:
            await self.writes.world.sleep(self.writes.options.renewal)
            try:
                await self.leases.renew()
            except Unavailable as fault:
                outage.failed(str(fault))
            else:
                outage.ended()

    async def _forget(self) -> None:
        # A task of its own: after a long pause there may be much to forget, and
        # renewals must not wait for it.
        while True:
            await self.writes.world.sleep(self.writes.options.renewal)
            try:
                await self.bring_forward()
                await self.writes.forget()
            except Unavailable:
                continue  # the lanes report the fault, and nothing is lost by waiting

    async def _end_waits(self, is_paused: IsPaused) -> None:
        """Wake what waits for secrets that are paused no more.

        A process that has not heard of it yet may have put a trigger back after the
        others were told, and then have died.
        """
        while True:
            await self.writes.world.sleep(_WAITS_END)
            try:
                for secret in await waited_for(self.writes.database):
                    if not is_paused(secret):
                        self.wakeup.wake(await self.writes.wake(secret))
            except Unavailable:
                continue  # the lanes report the fault, and all waits go on

    def _may_free(self, loan: SqliteLoan, settlement: Settlement) -> bool:
        """Return whether a trigger may be due now that this loan has ended."""
        ordered = self.writes.is_ordered(loan.trigger)
        return ordered or isinstance(settlement, TryAgain)


def _letter(loan: UnreadableLoan, now: datetime) -> UnreadableLetter:
    return UnreadableLetter(
        trigger=loan.trigger,
        reason="its row in the queue is damaged, or a newer Keyrelay wrote it",
        fault=Fault.SYSTEM,
        attempts=loan.attempts,
        buried_at=now,
    )
