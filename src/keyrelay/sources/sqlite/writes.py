"""Writes: everything that changes the queue's file.

Each method is durable on return, and raises Unavailable.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Delete, Row, Update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.sqlite import SqliteDatabase
from keyrelay.model.backlog import ReadingLosses
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.revision import Revision
from keyrelay.model.settlement import LONGEST_WAIT, Settlement, TryAgain
from keyrelay.model.trigger import MalformedTrigger, Trigger
from keyrelay.model.world import World
from keyrelay.sources.sqlite import statements
from keyrelay.sources.sqlite.inserting import AcceptedRow, Insertion, accepted
from keyrelay.sources.sqlite.inspection import is_any_due_after, is_any_stranded
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.rows import (
    Columns,
    Settled,
    SqliteLoan,
    UnreadableLoan,
    encode_parts,
    ended,
    loan,
    settled,
    to_microseconds,
    unreadable,
)

Item = TypeVar("Item")
Settling = tuple[SqliteLoan, Settlement]
ScopedKey = tuple[str, str]  # profile, key

_STEP = 1000  # rows in one transaction: a writer must not keep others waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """Loans and wakes share one counter, which tells which of two came first."""

    database: SqliteDatabase
    world: World
    options: SqliteOptions
    losses: ReadingLosses = field(default_factory=ReadingLosses, init=False)
    _order: Iterator[int] = field(default_factory=itertools.count, init=False)
    _wakes: dict[str, int] = field(default_factory=dict, init=False)

    async def accept(
        self, triggers: Sequence[Trigger], revision: Revision | None
    ) -> Sequence[bool]:
        """Insert the triggers that are not known; return which of them were new."""
        now = self.world.now()
        at, written = to_microseconds(now), _written(revision)
        rows = [
            accepted(each, at, written, blocked=self.is_ordered(each))
            for each in triggers
        ]
        return await self.database.write(self._insertion(triggers, rows, now).insert)

    async def redrive(
        self, letters: Sequence[DeadLetter], revision: Revision | None
    ) -> Sequence[bool]:
        """Insert the triggers that do not wait, are not leased and were not delivered.

        Return which those are.
        """
        now = self.world.now()
        triggers = [letter.redriven(now) for letter in letters]
        at, written = to_microseconds(now), _written(revision)
        rows = [
            accepted(
                *(each, at, written),
                blocked=self.is_ordered(each),
                done=encode_parts(letter.settlement.done),
            )
            for each, letter in zip(triggers, letters, strict=True)
        ]
        insertion = self._insertion(triggers, rows, now)
        return await self.database.write(insertion.insert_again)

    async def lend(self, most: int) -> Sequence[SqliteLoan | UnreadableLoan]:
        """Lend up to `most` triggers, those first that have been due for longest."""
        order = next(self._order)
        async with self.database.writing() as connection:
            now = self.world.now()  # not before: the lock may have been long in coming
            asked = {
                "now": to_microseconds(now),
                "most": most,
                "group": self.world.new_id(now),
                "ends_at": to_microseconds(now + self.options.lease),
            }
            rows = (await connection.execute(statements.LEND, asked)).all()
        return [_read(row, order) for row in sorted(rows, key=_sequence)]

    async def end_unreadable(self, loans: Sequence[UnreadableLoan]) -> None:
        """Settle as buried what holds no trigger, once its letter is kept."""
        now = self.world.now()
        rows = [ended(loan.token, Settled.BURIED, now) for loan in loans]
        keys = {(loan.trigger.profile, loan.key) for loan in loans if loan.key}
        async with self.database.writing() as connection:
            await connection.execute(statements.SETTLE, rows)
            await advance(connection, keys, now)
        self.losses.unreadable["queue"] += len(loans)

    async def settle(self, settlings: Sequence[Settling]) -> Sequence[bool]:
        """Settle the loans that are still held; return which of them were."""
        now = self.world.now()
        tokens = [loan.token for loan, _ in settlings]
        async with self.database.writing() as connection:
            # Read inside the write transaction, so that it stays true.
            found = await connection.scalars(statements.HELD, {"tokens": tokens})
            held = set(found)
            rows = [
                settled(loan, self._after_wakes(end, loan), now)
                for loan, end in settlings
            ]
            await connection.execute(statements.SETTLE, rows)
            await advance(
                connection, _keys_of(loan.trigger for loan, _ in settlings), now
            )
        return [_remove(token, held) for token in tokens]

    async def renew(self, tokens: Collection[str]) -> Collection[str]:
        """Extend these leases; return those that are still held."""
        async with self.database.writing() as connection:
            ends_at = to_microseconds(self.world.now() + self.options.lease)
            renewed = {"tokens": list(tokens), "ends_at": ends_at}
            return set(await connection.scalars(statements.RENEW, renewed))

    async def wake(self, secret: str) -> int:
        """Make due what waits for the secret, or is being settled to wait for it."""
        # Numbered before it is written: of a loan that is settled meanwhile either the
        # settlement sees the number, or the statement finds the row.
        self._wakes[secret] = next(self._order)
        now = to_microseconds(self.world.now())
        return await self._in_steps(statements.WAKE, {"secret": secret, "now": now})

    async def wake_all(self) -> int:
        """Make due what waits for any secret."""
        now = to_microseconds(self.world.now())
        return await self._in_steps(statements.WAKE_ALL, {"now": now})

    async def bring_forward(self) -> int:
        """Make due what is due later than any wait lasts: a clock was ahead."""
        now = self.world.now()
        latest = to_microseconds(now + LONGEST_WAIT)
        if not await is_any_due_after(self.database, latest):
            return 0  # and no other process is kept from writing
        named: Columns = {
            "latest": latest,
            "now": to_microseconds(now),
            "ends_at": to_microseconds(now + self.options.lease),
        }
        return await self._in_steps(statements.BRING_FORWARD, named)

    async def resume(self) -> int:
        """Make due what would never be: its key or its due time is damaged."""
        if not await is_any_stranded(self.database):
            return 0
        now = to_microseconds(self.world.now())
        return await self._in_steps(statements.RESUME, {"now": now})

    async def forget(self) -> int:
        """Delete the triggers that were settled longer ago than they are remembered."""
        before = to_microseconds(self.world.now() - self.options.remembered)
        return await self._in_steps(statements.FORGET, {"before": before})

    def is_ordered(self, trigger: Trigger) -> bool:
        """Return whether the trigger is lent in the order of its key."""
        return self.options.ordered and trigger.key is not None

    def _insertion(
        self, triggers: Iterable[Trigger], rows: Sequence[AcceptedRow], now: datetime
    ) -> Insertion:
        ordered = _keys_of(filter(self.is_ordered, triggers))
        return Insertion(rows=rows, advanced=_advanced(ordered, now))

    def _after_wakes(self, settlement: Settlement, loan: SqliteLoan) -> Settlement:
        """Return the settlement, without its wait if the secret was replaced since."""
        match settlement:
            case TryAgain(waits_for=str(secret)) if (
                self._wakes.get(secret, -1) > loan.order
            ):
                return replace(settlement, after=timedelta(), waits_for=None)
            case _:
                return settlement

    async def _in_steps(self, statement: Update | Delete, named: Columns) -> int:
        total, step = 0, _STEP
        while step == _STEP:
            async with self.database.writing() as connection:
                done = await connection.execute(statement, named | {"most": _STEP})
            step = done.rowcount
            total += step
        return total


async def advance(
    connection: AsyncConnection, keys: Collection[ScopedKey], now: datetime
) -> None:
    """Make the first unsettled trigger of each key due, unless a person holds it."""
    if keys:
        await connection.exec_driver_sql(statements.ADVANCE, _advanced(keys, now))


def _advanced(keys: Collection[ScopedKey], now: datetime) -> list[Columns]:
    """Return the parameters of `ADVANCE`."""
    return [
        {"of_profile": profile, "of_key": key, "now": to_microseconds(now)}
        for profile, key in keys
    ]


def _written(revision: Revision | None) -> str | None:
    return None if revision is None else str(revision)


def _keys_of(triggers: Iterable[Trigger]) -> Collection[ScopedKey]:
    return {(trigger.profile, trigger.key) for trigger in triggers if trigger.key}


def _read(row: Row[*tuple[object, ...]], order: int) -> SqliteLoan | UnreadableLoan:
    try:
        return loan(row, order)
    except MalformedTrigger:
        return unreadable(row)


def _sequence(row: Row[*tuple[object, ...]]) -> int:
    return int(row.sequence)


def _remove(item: Item, items: set[Item]) -> bool:
    """Remove the item; return whether it was there. A duplicate finds it gone."""
    there = item in items
    items.discard(item)
    return there
