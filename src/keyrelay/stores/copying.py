"""Copying: an installation copied into another database, as a whole or not at all.

Every process that opens a database looks for the row of its installation, so that row
is written last. Until then a copy may be interrupted at any moment, and continues when
it is started again: audit records are only ever added, and continue where each chain
had got to; everything else is copied again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping, Select, Table, delete, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.world import World
from keyrelay.stores.schema.attempt_tables import ATTEMPT_TABLES
from keyrelay.stores.schema.job_tables import job_results, jobs
from keyrelay.stores.schema.run_tables import run_hosts, runs
from keyrelay.stores.schema.tables import (
    audit_chains,
    audit_records,
    installation,
    metadata,
    pauses,
    profiles,
    workers,
    wrapped_keys,
)
from keyrelay.stores.unreadable import (
    AnyRow,
    Slice,
    is_of_a_value,
    read_all,
    read_rows,
)

CHUNK = 1000  # rows in one transaction of the target

# Copied in ways of their own, or, workers and what they know, not at all: none works
# on the copy.
_APART = (installation, workers, run_hosts, pauses, audit_chains, audit_records)
# Those of jobs refer to others: a job goes on in the copy.
_LAST = (*ATTEMPT_TABLES, jobs, job_results, runs)
_WHOLE = [
    *(each for each in metadata.sorted_tables if each not in (*_APART, *_LAST)),
    *_LAST,
]
_ALL = (*_WHOLE, audit_chains, audit_records)

_RECORDS = audit_records.c
_HEARTBEATS = select(workers)


class NotCopied(Exception):
    """The target cannot be used; the message says what prevents it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """From `source` to `target`; `done` counts the rows copied, table by table."""

    source: Database
    target: Database
    world: World
    done: Counter[str] = field(default_factory=Counter)

    async def check(self) -> Mapping[str, int]:
        """Return how many rows are to be copied. Raises NotCopied and Unavailable."""
        await self._refuse_workers()
        await self._refuse_strangers()
        async with self.source.reading() as connection:
            return await count(connection)

    async def copy(self) -> "SourceState":
        """Copy all but the row of the installation. Raises NotCopied and Unavailable.

        Return the state of the source, for `finish`.
        """
        async with self.source.reading() as source:
            state = await _state_of(source)
            await self._clear()
            for table in _WHOLE:
                await self._add(source, select(table), table)
            await self._add_records(source)
            await self._add(source, select(audit_chains), audit_chains)
            there = await count(source)
        async with self.target.reading() as target:
            if (here := await count(target)) != there:
                odd = next(name for name in there if here[name] != there[name])
                raise NotCopied(
                    f"{odd} has {there[odd]} rows in the source and {here[odd]} in the"
                    " target: copy into an empty database, and one at a time"
                )
        return state

    async def finish(self, state: "SourceState") -> None:
        """Make the target usable. Raises NotCopied and Unavailable."""
        await self._refuse_workers()  # that were started meanwhile
        async with self.source.reading() as source:
            if await _state_of(source) != state:
                raise NotCopied(
                    "somebody has worked on the source meanwhile: stop all workers, and"
                    " copy again"
                )
        async with self.target.writing() as target:
            history = self.world.new_id(self.world.now())
            row = {**state.installation, "history": history}
            await target.execute(insert(installation).values(row))

    async def _refuse_workers(self) -> None:
        for database in (self.source, self.target):
            async with database.reading() as connection:
                found = await read_all(connection, _HEARTBEATS, {}, _until)
            now = self.world.now()
            # One that cannot be read is no live worker's: that would write it anew.
            if any(isinstance(until, datetime) and until > now for until in found):
                raise NotCopied("workers are at work: stop them all, and wait a minute")

    async def _refuse_strangers(self) -> None:
        """Refuse a target that holds keys or profiles that this source has not."""
        for table in (wrapped_keys, profiles):
            ids = [
                set(await _ids(database, table))
                for database in (self.target, self.source)
            ]
            if ids[0] - ids[1]:
                raise NotCopied(
                    "the target holds another installation: name an empty database"
                )

    async def _clear(self) -> None:
        """Empty the tables that are copied whole, those that refer to others first."""
        async with self.target.writing() as target:
            for table in (audit_chains, *_WHOLE[::-1]):
                await target.execute(delete(table))

    async def _add_records(self, source: AsyncConnection) -> None:
        got = select(_RECORDS.chain, func.max(_RECORDS.seq)).group_by(_RECORDS.chain)
        async with self.target.reading() as target:
            reached = {row[0]: row[1] for row in await target.execute(got)}
            known = await target.scalar(select(func.count()).select_from(audit_records))
        self.done[audit_records.name] = known or 0
        for chain in (await source.scalars(select(audit_chains.c.id))).all():
            rest = select(audit_records).where(
                _RECORDS.chain == chain, _RECORDS.seq > reached.get(chain, 0)
            )
            await self._add(source, rest.order_by(_RECORDS.seq), audit_records)

    async def _add(
        self, source: AsyncConnection, wanted: Select[*tuple[object, ...]], table: Table
    ) -> None:
        try:
            async with source.stream(wanted) as rows:
                async for chunk in rows.mappings().partitions(CHUNK):
                    await self._insert(table, chunk)
                    self.done[table.name] += len(chunk)
        except (ValueError, TypeError, DBAPIError) as fault:
            if not is_of_a_value(source, fault):
                raise
            raise await _unreadable(source, table) from None

    async def _insert(self, table: Table, chunk: Sequence[RowMapping]) -> None:
        rows = [dict(row) for row in chunk]
        try:
            async with self.target.transaction() as target:
                await target.execute(insert(table), rows)
        except DBAPIError as error:
            raise NotCopied(
                f"{table.name} holds a row that the target does not take: was the"
                " source altered by hand, or is another copy under way?"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What changes whenever anything has written to the source."""

    installation: Mapping[str, object]
    chains: frozenset[tuple[str, int]]


async def count(connection: AsyncConnection) -> Mapping[str, int]:
    """Return how many rows each copied table has."""
    rows = {
        table.name: await connection.scalar(select(func.count()).select_from(table))
        for table in _ALL
    }
    return {name: number or 0 for name, number in rows.items()}


async def _unreadable(source: AsyncConnection, table: Table) -> NotCopied:
    """Name the first row of the table that cannot be read."""
    ordered = select(table).order_by(*table.primary_key)
    which, offset, found = "", 0, True
    while found and not which:
        page = Slice(offset, CHUNK)
        rows = await read_rows(source, ordered, page, lambda _: None)
        for row in rows:
            if row is not None:
                which = " ".join(row.text(key.name) for key in table.primary_key)
                break
        offset, found = offset + CHUNK, bool(rows)
    return NotCopied(
        f"the row {which} of {table.name} in the source cannot be read: delete it, or"
        " restore it from a backup"
    )


def _until(row: AnyRow) -> datetime:
    until: datetime = row.alive_until
    return until


async def _state_of(connection: AsyncConnection) -> SourceState:
    row = (await connection.execute(select(installation))).mappings().one()
    heads = await connection.execute(select(audit_chains.c.id, audit_chains.c.head_seq))
    return SourceState(
        installation=dict(row),
        chains=frozenset((chain, seq) for chain, seq in heads),
    )


async def _ids(database: Database, table: Table) -> Sequence[str]:
    async with database.reading() as connection:
        return (await connection.scalars(select(table.c.id))).all()
