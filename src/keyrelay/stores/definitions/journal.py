"""Journal: every change to a definition gets a seal, an audit record and a revision."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit import Change, ChangeRecord
from keyrelay.model.documents import InvalidDefinition
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.log import ChainedLog, Recording
from keyrelay.stores.definitions.definition_index import (
    TABLES,
    find_entry,
)
from keyrelay.stores.definitions.indexing import note_change
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.seals import SealKeys, flaw_of, seal_keys
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.schema.tables import changes, installation, profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """A transaction of `actor` in `profile`, begun `at`."""

    audit_log: ChainedLog
    recording: Recording
    keys: SealKeys
    profile: str
    actor: str
    at: datetime

    @property
    def connection(self) -> AsyncConnection:
        return self.recording.connection

    async def note(self, noun: Noun, id_: str, change: Change, detail: str) -> int:
        """Give a change to a definition its seal, its revision and its audit record.

        Returns the generation that the definition has now. Raises IndexBroken, if
        nothing vouches for the profile's definitions.
        """
        subject = (noun, id_)
        generation = await note_change(
            self.connection, self.keys, self.profile, subject
        )
        await self.announce(noun, id_)
        self.record(noun, id_, change, detail, generation)
        return generation

    async def announce(self, noun: Noun, id_: str) -> None:
        """Give a change to a definition its revision, by which processes read it."""
        # Every writer updates this one row, so revisions become visible in order.
        await self.connection.execute(
            update(installation).values(revision=installation.c.revision + 1)
        )
        revision = await self.connection.scalar(select(installation.c.revision))
        if revision is None:
            raise Unavailable("the database holds no vault: run `keyrelay init`")
        await self.connection.execute(
            insert(changes).values(
                revision=revision, noun=noun, profile=self.profile, subject=id_
            )
        )
        await self.audit_log.database.signal_change(self.connection)

    async def require_sound(self, noun: Noun, id_: str) -> None:
        """Raise InvalidDefinition if the row is not what the index vouches for.

        An edit of a part of it would vouch for all of it.
        """
        flaw = await self.flaw(noun, id_)
        if flaw is not None:
            raise InvalidDefinition(
                f"{noun} {id_}: {flaw}; look at it, then `keyrelay definitions accept"
                f" {id_}`, or delete it"
            )

    async def flaw(self, noun: Noun, id_: str) -> str | None:
        """Say in which way the row, which is there, is not what was written."""
        table = TABLES[noun]
        wanted = select(table).where(table.c.profile == self.profile, table.c.id == id_)
        row = (await self.connection.execute(wanted)).mappings().one()
        entry = await find_entry(self.connection, self.profile, (noun, id_))
        return flaw_of(self.keys, noun, dict(row), entry)

    def record(
        self,
        noun: str,
        subject: str,
        change: Change,
        detail: str,
        generation: int | None = None,
    ) -> None:
        """Give a change its audit record; only definitions have a generation."""
        if generation is not None:
            self.recording.generations[self.profile] = generation
        self.recording.append(
            ChangeRecord(
                id=self.audit_log.world.new_id(self.at),
                actor=self.actor,
                profile=self.profile,
                subject=subject,
                noun=noun,
                change=change,
                detail=detail,
                at=self.at,
                generation=generation,
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
        # Before the transaction, so that no other writer waits for a key.
        keys = await seal_keys(self.audit_log.vault)
        async with self.audit_log.recording() as recording:
            await _require_profile(recording.connection, profile)
            yield Writing(
                audit_log=self.audit_log,
                recording=recording,
                keys=keys,
                profile=profile,
                actor=actor,
                at=self.audit_log.world.now(),
            )


async def _require_profile(connection: AsyncConnection, profile: str) -> None:
    known = select(profiles.c.id).where(profiles.c.id == profile)
    if await connection.scalar(known) is None:
        raise NotFound("profile", profile)
