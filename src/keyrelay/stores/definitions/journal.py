"""Journal: every change to a definition gets an audit record and a new revision."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.audit import Change, ChangeRecord
from keyrelay.stores.audit.log import ChainedLog, Recording
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.schema.tables import changes, installation, profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """A transaction of `actor` in `profile`, begun `at`."""

    database: Database
    recording: Recording
    profile: str
    actor: str
    at: datetime
    new_id: Callable[[datetime], str]

    @property
    def connection(self) -> AsyncConnection:
        return self.recording.connection

    async def note(self, noun: Noun, id_: str, change: Change, detail: str) -> None:
        """Give a change to a definition its revision and its audit record."""
        # Every writer updates this one row, so revisions become visible in order.
        await self.connection.execute(
            update(installation).values(revision=installation.c.revision + 1)
        )
        revision = await self.connection.scalar(select(installation.c.revision))
        await self.connection.execute(
            insert(changes).values(
                revision=revision, noun=noun, profile=self.profile, subject=id_
            )
        )
        await self.database.signal_change(self.connection)
        self.record(noun, id_, change, detail)

    def record(self, noun: str, subject: str, change: Change, detail: str) -> None:
        """Give a change to something that is not in the catalog its audit record."""
        self.recording.append(
            ChangeRecord(
                id=self.new_id(self.at),
                actor=self.actor,
                profile=self.profile,
                subject=subject,
                noun=noun,
                change=change,
                detail=detail,
                at=self.at,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The way to write what an administrator changes."""

    audit_log: ChainedLog

    @asynccontextmanager
    async def writing(self, profile: str, actor: str) -> AsyncIterator[Writing]:
        """Give a transaction: all is kept on leaving, or nothing.

        Raises Unavailable, and NotFound if there is no such profile.
        """
        world = self.audit_log.world
        async with self.audit_log.recording() as recording:
            await _require_profile(recording.connection, profile)
            yield Writing(
                database=self.audit_log.database,
                recording=recording,
                profile=profile,
                actor=actor,
                at=world.now(),
                new_id=world.new_id,
            )


async def _require_profile(connection: AsyncConnection, profile: str) -> None:
    known = select(profiles.c.id).where(profiles.c.id == profile)
    if await connection.scalar(known) is None:
        raise NotFound("profile", profile)
