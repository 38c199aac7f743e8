"""Scheduler: fires what is due by itself, once, however many processes look.

A due time is fired when it has come, or, if no process was there then, when one is: of
those that were missed, only the last. What is fired has an id that is made of its due
time: a process that is killed before the due time is marked leaves nothing to be fired
twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from keyrelay.concurrency.background import background
from keyrelay.concurrency.outage import Outage
from keyrelay.model.catalog import Catalog
from keyrelay.model.lifetime import STANDARD_LIFETIME, Lifetime
from keyrelay.model.run import RunCause, RunOrder, RunOrigin, run_id
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.services.run_requests import WAITS
from keyrelay.services.scheduling.plan import Entry, entry_of, times_in, times_text
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.schedules import RunFiring, ScheduleKey, Schedules

LOOK = timedelta(seconds=1)  # between two looks at what is due

log = logging.getLogger(__name__)


def _outage() -> Outage:
    return Outage(log=log, begun="schedules stand still", over="schedules go on")


@dataclass(slots=True)
class _Agenda:
    """What is due by itself, as of one catalog."""

    catalog: Catalog | None = None
    entries: dict[ScheduleKey, Entry] = field(default_factory=dict)
    outage: Outage = field(default_factory=_outage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """`catalog` is LiveCatalog.current; `accept` is that of an Inbox."""

    catalog: Callable[[], Catalog]
    schedules: Schedules
    accept: Callable[[Trigger], Awaitable[bool]]
    world: World
    _agenda: _Agenda = field(default_factory=_Agenda, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Look every second, until `stop` is set."""
        async with background(stop.wait()) as stopping:
            while not stopping.done():
                try:
                    await self.look()
                except Unavailable as fault:
                    self._agenda.outage.failed(str(fault))
                else:
                    self._agenda.outage.ended()
                async with background(self.world.sleep(LOOK)) as slept:
                    await asyncio.wait(
                        [slept, stopping], return_when=asyncio.FIRST_COMPLETED
                    )

    async def look(self) -> None:
        """Fire what is due now. Raises Unavailable; the next look fires the rest."""
        catalog = self.catalog()
        if catalog is not self._agenda.catalog:
            await self._plan(catalog)
        now = self.world.now()
        for key, entry in [*self._agenda.entries.items()]:
            due = entry.due(now)
            if due is not None:
                await self._fire(catalog, key, entry, due)

    async def _plan(self, catalog: Catalog) -> None:
        agenda, wanted = self._agenda, times_in(catalog)
        texts = {key: times_text(times) for key, times in wanted.items()}
        entries = {
            key: entry
            for key, entry in agenda.entries.items()
            if texts.get(key) == entry.mark.times
        }
        new = {key: text for key, text in texts.items() if key not in entries}
        begun = await self.schedules.begin(new) if new else {}
        await self._forget(catalog, agenda.entries.keys() - wanted.keys())
        for key, mark in begun.items():
            if (entry := entry_of(mark, wanted[key])) is not None:
                entries[key] = entry
        agenda.entries = entries
        agenda.catalog = catalog

    async def _forget(self, catalog: Catalog, gone: set[ScheduleKey]) -> None:
        """Forget what has no times now; what is only not believed is not meant."""
        known = {Noun.ACTION: catalog.actions, Noun.ANALYSIS: catalog.analyses}
        timeless = [key for key in gone if (key[0], key[2]) in known[key[1]]]
        closed = catalog.omitted.profiles
        if kept := [key for key in timeless if key[0] not in closed]:
            await self.schedules.forget(kept)

    async def _fire(
        self, catalog: Catalog, key: ScheduleKey, entry: Entry, due: datetime
    ) -> None:
        mark = await self.schedules.read(key)
        if mark is None or mark.times != entry.mark.times:
            # Another process sees other definitions, or it was deleted: plan again.
            self._agenda.entries.pop(key, None)
            self._agenda.catalog = None
            return
        if mark.last < due:
            fire = self._trigger if key[1] is Noun.ACTION else self._run
            await fire(catalog, key, replace(entry, mark=mark), due)
            mark = replace(mark, last=due)
        next_due = entry.timetable.next_due(mark.last)
        self._agenda.entries[key] = replace(entry, mark=mark, next_due=next_due)

    async def _trigger(
        self, _: Catalog, key: ScheduleKey, entry: Entry, due: datetime
    ) -> None:
        profile, noun, id_ = key
        trigger = Trigger(
            id=f"schedule-{id_}-{_stamp(due)}",
            profile=profile,
            action=id_,
            data=(),
            key=None,
            lifetime=Lifetime(
                raised_at=due, deadline=self.world.now() + STANDARD_LIFETIME
            ),
        )
        # Before the due time is marked: a process that is killed between the two leaves
        # it to the next one, whose trigger is known by its id.
        await self.accept(trigger)
        await self.schedules.advance(key, entry.mark, due)
        _log_fired(noun, id_, due, trigger.id)

    async def _run(
        self, catalog: Catalog, key: ScheduleKey, entry: Entry, due: datetime
    ) -> None:
        profile, noun, id_ = key
        now = self.world.now()
        order = RunOrder(
            id=run_id(f"{profile}/schedule-{_stamp(due)}", id_, due),
            profile=profile,
            analysis=id_,
            run_on=catalog.analyses[profile, id_].analysis.run_on,
            cause=RunCause(
                origin=RunOrigin.SCHEDULE, asked_at=now, deadline=now + WAITS
            ),
            scope="[]",
        )
        match await self.schedules.fire_run(key, entry.mark, due, order):
            case RunFiring.KEPT:
                _log_fired(noun, id_, due, order.id)
            case RunFiring.PASSED:
                said = {"analysis": id_, "due": due.isoformat()}
                log.warning("due time passed over: the last run goes on", extra=said)
            case RunFiring.ELSEWHERE:
                pass


def _log_fired(noun: Noun, id_: str, due: datetime, made: str) -> None:
    said = {"noun": str(noun), "id": id_, "due": due.isoformat(), "made": made}
    log.info("schedule fired", extra=said)


def _stamp(due: datetime) -> str:
    return f"{due:%Y%m%dT%H%M%SZ}"
