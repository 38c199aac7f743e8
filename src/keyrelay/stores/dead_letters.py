"""Dead letters: stored until they are redriven or dropped."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.batching import Batch
from keyrelay.databases.database import Database
from keyrelay.model.audit import Change
from keyrelay.model.audit_document import printable
from keyrelay.model.data_point import MOST_POINTS
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.documents import parse_document, require_list
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury
from keyrelay.model.trigger import Trigger
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.refusals import EditedMeanwhile, NotFound
from keyrelay.stores.schema.tables import dead_letters

NOUN = "trigger"
MOST_TOGETHER = 200

_LETTERS = dead_letters.c


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterQuery:
    """Which letters of a profile, newest first; None means any."""

    action: str | None = None
    fault: Fault | None = None
    since: datetime | None = None
    page: int = 1
    amount: int = 20


@dataclass(frozen=True, slots=True)
class GroupedDeadLetters:
    """ports.DeadLetters: the letters of concurrent lanes share one commit."""

    batch: Batch[DeadLetter, None]

    async def bury(self, letter: DeadLetter) -> None:
        await self.batch.submit(letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterStore:
    """Each method raises Unavailable."""

    database: Database
    journal: Journal

    async def keep(self, letters: Sequence[DeadLetter]) -> Sequence[None]:
        """Store the letters; of several about one trigger, the last."""
        last = {(each.trigger.profile, each.trigger.id): each for each in letters}
        place = tuple_(_LETTERS.profile, _LETTERS.trigger)
        async with self.database.writing() as connection:
            await connection.execute(delete(dead_letters).where(place.in_(list(last))))
            rows = [_row_of(letter) for letter in last.values()]
            await connection.execute(insert(dead_letters), rows)
        return [None] * len(letters)

    async def list(
        self, profile: str, query: DeadLetterQuery
    ) -> tuple[DeadLetter, ...]:
        wanted = select(dead_letters).where(_LETTERS.profile == profile)
        if query.action is not None:
            wanted = wanted.where(_LETTERS.action == query.action)
        if query.fault is not None:
            wanted = wanted.where(_LETTERS.fault == query.fault)
        if query.since is not None:
            wanted = wanted.where(_LETTERS.buried_at >= query.since)
        ordered = wanted.order_by(_LETTERS.buried_at.desc(), _LETTERS.trigger)
        skipped = (query.page - 1) * query.amount
        async with self.database.reading() as connection:
            rows = await connection.execute(ordered.limit(query.amount).offset(skipped))
            return tuple(_letter_of(row) for row in rows)

    async def get(self, profile: str, trigger: str) -> DeadLetter:
        """Raises NotFound."""
        async with self.database.reading() as connection:
            return await _find(connection, profile, trigger)

    async def drop(self, letter: DeadLetter, actor: str) -> None:
        """Delete a letter. Raises NotFound, EditedMeanwhile if it was buried again."""
        await self._remove(letter, actor, Change.DROPPED)

    async def redriven(self, letter: DeadLetter, actor: str) -> None:
        """Delete a letter whose trigger is in the queue again.

        Raises NotFound, or EditedMeanwhile if the trigger was buried again since:
        then the letter is another one, and stays.
        """
        await self._remove(letter, actor, Change.REDRIVEN)

    async def _remove(self, letter: DeadLetter, actor: str, change: Change) -> None:
        trigger = letter.trigger
        async with self.journal.writing(trigger.profile, actor) as writing:
            known = await _find(writing.connection, trigger.profile, trigger.id)
            if known.buried_at != letter.buried_at:
                raise EditedMeanwhile(f"{trigger.id} was buried anew: look again")
            await writing.connection.execute(
                delete(dead_letters).where(
                    _LETTERS.profile == trigger.profile, _LETTERS.trigger == trigger.id
                )
            )
            writing.record(NOUN, trigger.id, change, letter.settlement.reason)


def group_burials(store: DeadLetterStore) -> GroupedDeadLetters:
    return GroupedDeadLetters(Batch(run=store.keep, most=MOST_TOGETHER))


async def _find(connection: AsyncConnection, profile: str, trigger: str) -> DeadLetter:
    wanted = select(dead_letters).where(
        _LETTERS.profile == profile, _LETTERS.trigger == trigger
    )
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("dead letter", trigger)
    return _letter_of(row)


def _row_of(letter: DeadLetter) -> dict[str, object]:
    return {
        "profile": letter.trigger.profile,
        "trigger": letter.trigger.id,
        "action": letter.trigger.action,
        "document": letter.trigger.encode(),
        "reason": printable(letter.settlement.reason),
        "fault": letter.settlement.fault,
        "done": json.dumps({"done": sorted(letter.settlement.done)}),
        "attempts": letter.attempts,
        "buried_at": letter.buried_at,
    }


def _letter_of(row: Row[tuple[object, ...]]) -> DeadLetter:
    done = require_list(
        parse_document(row.done).get("done"), "done", longest=MOST_POINTS
    )
    parts = frozenset(map(str, require_list(done, "done", longest=MOST_POINTS)))
    return DeadLetter(
        trigger=Trigger.decode(row.document),
        settlement=Bury(reason=row.reason, fault=Fault(row.fault), done=parts),
        attempts=row.attempts,
        buried_at=row.buried_at,
    )
