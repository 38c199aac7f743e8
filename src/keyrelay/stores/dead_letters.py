"""Dead letters: stored until they are redriven or dropped."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.audit import Change
from keyrelay.model.cursor import Cursor
from keyrelay.model.dead_letter import DeadLetter, UnreadableLetter
from keyrelay.model.ids import Beginnings
from keyrelay.stores import dead_letter_rows
from keyrelay.stores.dead_letter_query import (
    FIRST_LETTERS,
    DeadLetterQuery,
    LetterPage,
    behind,
    matching,
)
from keyrelay.stores.dead_letter_rows import id_of, letter_of, place_of, replace_rows
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.refusals import EditedMeanwhile, NotFound, buried_anew
from keyrelay.stores.rows import ids_beginning
from keyrelay.stores.schema.tables import dead_letters
from keyrelay.stores.unreadable import (
    AnyRow,
    Slice,
    Statement,
    UnreadableRow,
    read_all,
    read_rows,
)

NOUN = "trigger"

_LETTERS = dead_letters.c

StoredLetter = DeadLetter | UnreadableRow
Refusal = NotFound | EditedMeanwhile
# Is given the transaction, and why, by trigger, some were not removed.
Noting = Callable[[AsyncConnection, Mapping[str, Refusal]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Removal:
    """How letters are removed."""

    change: Change
    actor: str
    note: Noting | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterStore:
    """Each method raises Unavailable."""

    database: Database
    journal: Journal

    async def keep(self, letters: Sequence[DeadLetter]) -> Sequence[None]:
        """Store the letters; of several about one trigger, the last."""
        async with self.database.writing() as connection:
            await replace_rows(connection, map(dead_letter_rows.row_of, letters))
        return [None] * len(letters)

    async def keep_unreadable(self, letters: Sequence[UnreadableLetter]) -> None:
        """Store what holds no trigger; what is kept of one trigger is replaced."""
        audit_log = self.journal.audit_log
        async with audit_log.recording() as recording:
            await replace_rows(
                recording.connection, map(dead_letter_rows.unreadable_row, letters)
            )
            for each in letters:
                id_ = audit_log.world.new_id(each.buried_at)
                recording.append(dead_letter_rows.burial_record(each, id_))

    async def list(
        self, profile: str, query: DeadLetterQuery, page: LetterPage = FIRST_LETTERS
    ) -> tuple[StoredLetter, ...]:
        """Return the letters; one that cannot be read hides no others."""
        wanted = matching(select(dead_letters), profile, query)
        if page.after is not None:
            wanted = behind(wanted, page.after)
        rows = Slice((page.number - 1) * page.amount, page.amount)
        async with self.database.reading() as connection:
            return tuple(await read_rows(connection, wanted, rows, letter_of))

    async def page(
        self, profile: str, query: DeadLetterQuery, page: LetterPage = FIRST_LETTERS
    ) -> tuple[Sequence[StoredLetter], Cursor | None]:
        """Return a page, and the place behind it; None, the list ends there.

        Where no letter of a page has a place that can be read, the page is longer.
        """
        found = more = await self.list(profile, query, page)
        while len(more) == page.amount:
            places = [each for each in map(place_of, found) if each is not None]
            if places:
                return found, places[-1]
            page = replace(page, number=page.number + 1)
            more = await self.list(profile, query, page)
            found += more
        return found, None

    async def ids(self, profile: str, query: DeadLetterQuery) -> Sequence[str]:
        """Return the ids of the triggers of all matching letters, on any page."""
        wanted = matching(select(_LETTERS.trigger), profile, query)
        async with self.database.reading() as connection:
            found = await read_all(connection, wanted, {}, id_of)
        return [row if isinstance(row, str) else row.text("trigger") for row in found]

    async def get(self, profile: str, trigger: str) -> StoredLetter:
        """Raises NotFound."""
        found = await self.read(profile, [trigger])
        if trigger not in found:
            raise NotFound("dead letter", trigger)
        return found[trigger]

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        """Return the ids of buried triggers that begin so, sorted."""
        return await ids_beginning(self.database, _LETTERS.trigger, profile, sought)

    async def read(
        self, profile: str, triggers: Sequence[str]
    ) -> Mapping[str, StoredLetter]:
        """Return the letters of these triggers that are there, by trigger."""
        async with self.database.reading() as connection:
            return await _read(connection, profile, triggers)

    async def drop(
        self,
        profile: str,
        letters: Sequence[StoredLetter],
        actor: str,
        note: Noting | None = None,
    ) -> Mapping[str, Refusal]:
        """Delete letters, each with its record; return, by trigger, which were not.

        Those were deleted or buried again since they were read. `note` writes in the
        same transaction: it is kept with what it tells, or neither is.
        """
        removal = _Removal(change=Change.DROPPED, actor=actor, note=note)
        return await self._remove(profile, letters, removal)

    async def redriven(
        self,
        profile: str,
        letters: Sequence[DeadLetter],
        actor: str,
        note: Noting | None = None,
    ) -> Mapping[str, Refusal]:
        """Delete letters whose triggers are in the queue again, as `drop` does.

        If one was buried again since, its letter is another one, and stays.
        """
        removal = _Removal(change=Change.REDRIVEN, actor=actor, note=note)
        return await self._remove(profile, letters, removal)

    async def _remove(
        self, profile: str, letters: Sequence[StoredLetter], removal: _Removal
    ) -> Mapping[str, Refusal]:
        removed, refused = list[str](), dict[str, Refusal]()
        async with self.journal.writing(profile, removal.actor) as writing:
            known = await _burials(writing.connection, profile, letters)
            for letter in letters:
                id_ = trigger_of(letter)
                if id_ not in known:
                    refused[id_] = NotFound("dead letter", id_)
                elif known[id_] != _burial_of(letter):
                    refused[id_] = buried_anew(id_)
                else:
                    removed.append(id_)
                    writing.record(NOUN, id_, removal.change, reason_of(letter))
            await writing.connection.execute(
                delete(dead_letters).where(
                    _LETTERS.profile == profile, _LETTERS.trigger.in_(removed)
                )
            )
            if removal.note is not None:
                await removal.note(writing.connection, refused)
        return refused


def trigger_of(letter: StoredLetter) -> str:
    """Return the id of the letter's trigger."""
    match letter:
        case DeadLetter():
            return letter.trigger.id
        case UnreadableRow():
            return letter.text("trigger")


def reason_of(letter: StoredLetter) -> str:
    match letter:
        case DeadLetter():
            return letter.settlement.reason
        case UnreadableRow():
            return f"it cannot be read: {letter.reason}"


def _burial_of(letter: StoredLetter) -> object:
    """Return what differs between two burials of the same trigger."""
    match letter:
        case DeadLetter():
            return letter.buried_at
        case UnreadableRow():
            return letter.columns


async def _burials(
    connection: AsyncConnection, profile: str, letters: Sequence[StoredLetter]
) -> Mapping[str, object]:
    """Return the burials that stand now of the letters' triggers, by trigger.

    A readable letter may hold a MiB and is not read again for that.
    """
    damaged = [trigger_of(each) for each in letters if isinstance(each, UnreadableRow)]
    whole = await _read(connection, profile, damaged) if damaged else {}
    readable = [each.trigger.id for each in letters if isinstance(each, DeadLetter)]
    dates = select(_LETTERS.trigger, _LETTERS.buried_at)
    wanted = _of_triggers(dates, profile, readable)
    standing = {id_: _burial_of(letter) for id_, letter in whole.items()}
    for row in await read_all(connection, wanted, {}, _date_of):
        match row:
            case UnreadableRow():  # by now
                standing[row.text("trigger")] = row
            case id_, buried_at:
                standing[id_] = buried_at
    return standing


async def _read(
    connection: AsyncConnection, profile: str, triggers: Sequence[str]
) -> Mapping[str, StoredLetter]:
    wanted = _of_triggers(select(dead_letters), profile, triggers)
    found = await read_all(connection, wanted, {}, letter_of)
    return {trigger_of(letter): letter for letter in found}


def _of_triggers(chosen: Statement, profile: str, ids: Sequence[str]) -> Statement:
    wanted = chosen.where(_LETTERS.profile == profile, _LETTERS.trigger.in_(ids))
    return wanted.order_by(_LETTERS.trigger)


def _date_of(row: AnyRow) -> tuple[str, datetime]:
    return id_of(row), row.buried_at
