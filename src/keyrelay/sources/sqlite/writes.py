"""Ledger: everything the queue writes.

Each method is durable on return, and raises Unavailable.
"""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Delete, Row, Update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from keyrelay.databases.sqlite import writing
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.settlement import Settlement, TryAgain
from keyrelay.model.trigger import MalformedTrigger, Trigger
from keyrelay.model.world import World
from keyrelay.sources.sqlite import statements
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.rows import (
    Columns,
    SqliteLoan,
    accepted,
    loan,
    parked,
    settled,
    ticks,
)

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Settling = tuple[SqliteLoan, Settlement]

# What touches many rows does so in steps: a writer must not keep others waiting.
_STEP = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """Loans and wakes are counted together, so that one is before the other."""

    engine: AsyncEngine
    world: World
    terms: SqliteOptions
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _count: Iterator[int] = field(default_factory=itertools.count, init=False)
    _wakes: dict[str, int] = field(default_factory=dict, init=False)

    async def accept(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        """Keep those that are not known; say of each whether it was new."""
        now = self.world.now()
        rows = [accepted(t, now, blocked=self._in_line(t)) for t in triggers]
        async with self._writing() as connection:
            found = await connection.execute(statements.ACCEPT, rows)
            new = {(profile, id_) for profile, id_ in found}
            await _advance(connection, filter(self._in_line, triggers), now)
        return [_take((trigger.profile, trigger.id), new) for trigger in triggers]

    async def redrive(self, letter: DeadLetter) -> bool:
        """Keep the letter's trigger unless it waits, is leased or was delivered."""
        now = self.world.now()
        trigger, done = letter.redriven(now), letter.settlement.done
        row = accepted(trigger, now, blocked=self._in_line(trigger), done=done)
        buried = {"of_profile": trigger.profile, "of_id": trigger.id}
        async with self._writing() as connection:
            await connection.execute(statements.UNBURY, buried)
            new = (await connection.execute(statements.ACCEPT, [row])).all()
            await _advance(connection, filter(self._in_line, [trigger]), now)
        return bool(new)

    async def lend(self, most: int) -> Sequence[SqliteLoan]:
        """Lend what has been due for longest."""
        number = next(self._count)
        async with self._writing() as connection:
            now = self.world.now()  # not before: our turn may have been long in coming
            asked = {
                "now": ticks(now),
                "most": most,
                "group": self.world.new_id(now),
                "ends_at": ticks(now + self.terms.lease),
            }
            rows = (await connection.execute(statements.LEND, asked)).all()
            lent = [(row, _read(row, number)) for row in sorted(rows, key=_sequence)]
            if damaged := [parked(row, now) for row, loan in lent if loan is None]:
                await connection.execute(statements.SETTLE, damaged)
        return [loan for _, loan in lent if loan is not None]

    async def settle(self, settlings: Sequence[Settling]) -> Sequence[bool]:
        """Settle what is still held; say of each whether it was."""
        now = self.world.now()
        tokens = [loan.token for loan, _ in settlings]
        async with self._writing() as connection:
            # Read with the right to write in hand, so it stays true.
            found = await connection.scalars(statements.HELD, {"tokens": tokens})
            held = set(found)
            rows = [
                settled(loan, self._seen(end, loan), now) for loan, end in settlings
            ]
            await connection.execute(statements.SETTLE, rows)
            await _advance(connection, (loan.trigger for loan, _ in settlings), now)
        return [_take(token, held) for token in tokens]

    async def renew(self, tokens: Collection[str]) -> Collection[str]:
        """Extend these leases; return those that are still held."""
        async with self._writing() as connection:
            ends_at = ticks(self.world.now() + self.terms.lease)
            renewed = {"tokens": list(tokens), "ends_at": ends_at}
            return set(await connection.scalars(statements.RENEW, renewed))

    async def wake(self, secret: str) -> int:
        """Make due what waits for the secret, and what is on loan and soon will."""
        # Counted before it is written: what is settled meanwhile meets one of the two.
        self._wakes[secret] = next(self._count)
        now = ticks(self.world.now())
        return await self._in_steps(statements.WAKE, {"secret": secret, "now": now})

    async def wake_all(self) -> int:
        """Make due what waits for any secret."""
        now = ticks(self.world.now())
        return await self._in_steps(statements.WAKE_ALL, {"now": now})

    async def forget(self) -> int:
        """Forget what was settled long ago."""
        before = ticks(self.world.now() - self.terms.remembered)
        return await self._in_steps(statements.FORGET, {"before": before})

    def _in_line(self, trigger: Trigger) -> bool:
        return self.terms.ordered and trigger.key is not None

    def _seen(self, settlement: Settlement, loan: SqliteLoan) -> Settlement:
        """Return the settlement; without its wait if the secret was replaced since."""
        match settlement:
            case TryAgain(waits_for=str(secret)) if (
                self._wakes.get(secret, -1) > loan.counted
            ):
                return replace(settlement, after=timedelta(), waits_for=None)
            case _:
                return settlement

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        # SQLite would let us wait by looking again and again; we take turns.
        async with self._turn, writing(self.engine) as connection:
            yield connection

    async def _in_steps(self, statement: Update | Delete, named: Columns) -> int:
        total, step = 0, _STEP
        while step == _STEP:
            async with self._writing() as connection:
                done = await connection.execute(statement, named | {"most": _STEP})
            step = done.rowcount
            total += step
        return total


async def _advance(
    connection: AsyncConnection, triggers: Iterable[Trigger], now: datetime
) -> None:
    """See to it that each of the triggers' lines has a first that is due."""
    lines = {(trigger.profile, trigger.key) for trigger in triggers if trigger.key}
    if lines:
        rows = [
            {"of_profile": profile, "of_key": key, "now": ticks(now)}
            for profile, key in lines
        ]
        await connection.execute(statements.ADVANCE, rows)


def _read(row: Row[*tuple[object, ...]], counted: int) -> SqliteLoan | None:
    """Return a loan; None for what was damaged, or written by a newer Keyrelay."""
    try:
        return loan(row, counted)
    except MalformedTrigger:
        what = {"profile": row.profile, "trigger": row.id}
        log.error("trigger cannot be read", extra=what)  # noqa: TRY400 - its bytes
        return None


def _sequence(row: Row[*tuple[object, ...]]) -> int:
    return int(row.sequence)


def _take(item: Item, items: set[Item]) -> bool:
    """Whether it is there; only the first who asks for it is told so."""
    there = item in items
    items.discard(item)
    return there
