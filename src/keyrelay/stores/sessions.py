"""Session store: which sessions of the console are open; every process sees them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from keyrelay.databases.database import Database
from keyrelay.model.session import LONGEST, ConsoleSession
from keyrelay.stores.schema.session_tables import sessions

NOTED_EVERY = timedelta(minutes=1)  # not each page is a write

_s = sessions.c


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStore:
    """Each method raises Unavailable."""

    database: Database

    async def open(self, session: ConsoleSession, token: str) -> None:
        """Keep a session of the token with this id; forget those that are too old."""
        at = session.began_at
        row = {"id": session.id, "token": token, "began_at": at, "seen_at": at}
        async with self.database.transaction() as connection:
            await connection.execute(delete(sessions).where(_s.began_at < at - LONGEST))
            await connection.execute(insert(sessions).values(row))

    async def seen_at(self, id_: str) -> datetime | None:
        """Return when a page was last asked for; None, the session was ended."""
        async with self.database.reading() as connection:
            found: datetime | None = await connection.scalar(
                select(_s.seen_at).where(_s.id == id_)
            )
            return found

    async def note(self, id_: str, seen_at: datetime, now: datetime) -> None:
        """Note that a page is asked for, if that was last noted a while ago."""
        if now - seen_at < NOTED_EVERY:
            return
        async with self.database.transaction() as connection:
            seen = update(sessions).where(_s.id == id_).values(seen_at=now)
            await connection.execute(seen)

    async def end(self, id_: str) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(delete(sessions).where(_s.id == id_))

    async def end_all(self, token: str) -> None:
        """End each session of the token with this id, in whichever browser."""
        async with self.database.transaction() as connection:
            await connection.execute(delete(sessions).where(_s.token == token))
