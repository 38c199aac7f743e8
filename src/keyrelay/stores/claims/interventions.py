"""Interventions: what people change of triggers in a log, by their claims.

A log is only appended to. What a person holds or cancels there is written as a claim,
which every worker asks for before it attempts the trigger (model/claim.py): also where
no worker has read the trigger yet. Such a claim stays until a worker has obeyed it.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.backlog import (
    QueueEntry,
    QueueQuery,
    QueueStatus,
    TriggerState,
)
from keyrelay.model.claim import ClaimStatus
from keyrelay.model.intervention import Act, ActEffect, Intervened, judge
from keyrelay.model.world import World
from keyrelay.stores.claims import statements as claim_statements
from keyrelay.stores.claims.heartbeat import time_at
from keyrelay.stores.claims.listing import list_claims
from keyrelay.stores.claims.rows import encode, status_of
from keyrelay.stores.claims.stored import StoredClaim, read_claims
from keyrelay.stores.schema.tables import claims, dead_letters
from keyrelay.stores.unreadable import AnyRow, UnreadableRow, read_all

_c = claims.c
_STATUSES = {
    Act.HOLD: ClaimStatus.HELD,
    Act.CANCEL: ClaimStatus.CANCELLING,
    Act.RELEASE: ClaimStatus.PARKED,
}
_STANDING = claim_statements.standing()
_AT = (_c.profile == bindparam("of_profile"), _c.id == bindparam("of_id"))
_CHANGE = (
    update(claims)
    .where(*_AT)
    .values(
        status=bindparam("new"), cut=bindparam("is_cut"), owner=None, settled_at=None
    )
)
_BEGIN_ANEW = (
    update(claims)
    .where(*_AT)
    .values(generation=_c.generation + 1, sequence=0, attempts=0, done="[]")
)
_CONCLUDE = (
    update(claims)
    .where(*_AT, _c.status == ClaimStatus.CANCELLING.value)
    .values(status=ClaimStatus.CANCELLED.value)
)
UNSETTLED = select(func.count()).select_from(claim_statements.unsettled().subquery())
# Of those that are not settled there is an index, of those that are held none.
_HELD = (
    select(func.count())
    .select_from(claims)
    .where(claim_statements.IS_UNSETTLED, _c.status == ClaimStatus.HELD.value)
)
_LETTERS = select(
    dead_letters.c.trigger, dead_letters.c.attempts, dead_letters.c.buried_at
).where(
    dead_letters.c.profile == bindparam("profile"),
    dead_letters.c.trigger.in_(bindparam("ids", expanding=True)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What is known of a trigger. `redriven`: no worker has read it since then.

    `unread`: none has read it since it was accepted.
    """

    status: QueueStatus
    unread: bool = False
    available: bool = False
    redriven: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimInterventions:
    """intervention.Interventions, but for a retry: a log brings what is due."""

    database: Database
    world: World

    def entries(
        self, profile: str, query: QueueQuery, after: str = ""
    ) -> AsyncIterator[QueueEntry]:
        return list_claims(self.database, profile, query, after)

    async def count_unsettled(self, profile: str, most: int) -> int:
        named = {"profile": profile, "after": "", "most": most}
        async with self.database.reading() as connection:
            return int((await connection.execute(UNSETTLED, named)).scalar_one())

    async def count_held(self) -> int:
        async with self.database.reading() as connection:
            return int((await connection.execute(_HELD)).scalar_one())

    async def intervene(
        self, act: Act, profile: str, ids: Sequence[str], note: str
    ) -> Sequence[Intervened]:
        if act is Act.RETRY:
            return await self._retry(profile, ids)
        async with self.database.transaction() as connection:
            now = await time_at(self.database, connection, self.world)
            found = await _find(connection, profile, ids, now)
            unread = [id_ for id_ in ids if id_ not in found]
            ahead = frozenset[str]()
            if unread and act is not Act.RELEASE:
                ahead = await self._write_ahead(connection, act, profile, unread)
                # A worker has claimed the others between the two statements.
                rest = [id_ for id_ in unread if id_ not in ahead]
                found |= await _find(connection, profile, rest, now)
            answers = {id_: _answer(act, id_, each) for id_, each in found.items()}
            changed = {
                said.id: found[said.id]
                for said in answers.values()
                if said.effect is ActEffect.APPLIED
            }
            await _change(connection, act, profile, changed)
        blind = {id_: Intervened(id=id_, effect=ActEffect.APPLIED) for id_ in ahead}
        none = {id_: Intervened(id=id_, effect=ActEffect.UNKNOWN) for id_ in unread}
        answers = none | blind | answers
        return [answers[id_] for id_ in ids]

    async def conclude(self, profile: str, ids: Sequence[str]) -> None:
        rows = [{"of_profile": profile, "of_id": id_} for id_ in sorted(ids)]
        async with self.database.transaction() as connection:
            await connection.execute(_CONCLUDE, rows)

    async def _retry(self, profile: str, ids: Sequence[str]) -> Sequence[Intervened]:
        """Tell what is due already; a log brings the others when they are due."""
        async with self.database.transaction() as connection:
            now = await time_at(self.database, connection, self.world)
            found = await _find(connection, profile, ids, now)
        unread = {id_ for id_, each in found.items() if each.unread}
        effects = (ActEffect.UNSUPPORTED, ActEffect.ALREADY)
        return [Intervened(id=id_, effect=effects[id_ in unread]) for id_ in ids]

    async def _write_ahead(
        self, connection: AsyncConnection, act: Act, profile: str, ids: Sequence[str]
    ) -> frozenset[str]:
        """Claim what no worker has read; return the triggers that had no claim."""
        rows = encode((profile, id_, _STATUSES[act].value) for id_ in ids)
        parameters = {"now": self.world.now(), "rows": rows}
        statement = claim_statements.write_ahead(self.database)
        return frozenset((await connection.scalars(statement, parameters)).all())


async def _find(
    connection: AsyncConnection, profile: str, ids: Sequence[str], now: datetime
) -> dict[str, _Found]:
    if not ids:
        return {}
    wanted = {"profile": profile, "ids": list(ids)}
    claimed = await read_claims(connection, _STANDING, wanted | {"now": now}, {})
    letters = await read_all(connection, _LETTERS, wanted, _letter)
    buried = dict(_burial(each) for each in letters)
    return buried | {each.arrival.id: _found(each, buried) for each in claimed}


def _letter(row: AnyRow) -> tuple[str, QueueStatus]:
    if not isinstance(row.attempts, int):
        raise TypeError  # SQLite keeps a value of any type in any column
    buried_at: datetime = row.buried_at
    return row.trigger, _buried(row.attempts, buried_at)


def _burial(letter: tuple[str, QueueStatus] | UnreadableRow) -> tuple[str, _Found]:
    if isinstance(letter, UnreadableRow):
        return letter.text("trigger"), _Found(status=_buried(0, None))
    id_, status = letter
    return id_, _Found(status=status)


def _buried(attempts: int, at: datetime | None) -> QueueStatus:
    return QueueStatus(
        state=TriggerState.BURIED, attempts=attempts, accepted_at=at, settled_at=at
    )


def _found(stored: StoredClaim, letters: Collection[str]) -> _Found:
    status, id_ = status_of(stored), stored.arrival.id
    claimed = status.state is TriggerState.LEASED
    # Its letter is dropped once the trigger is in the log again.
    redriven = status.state is TriggerState.BURIED and id_ not in letters
    if redriven:
        status = replace(status, state=TriggerState.WAITING, attempts=0)
    return _Found(
        status=status,
        available=claimed and not stored.owner.alive,
        redriven=redriven,
        unread=stored.status is ClaimStatus.ACCEPTED,
        cut=not redriven and (stored.arrival.cut or claimed),
    )


def _answer(act: Act, id_: str, found: _Found) -> Intervened:
    # What a dead worker has claimed is left to the first that takes it.
    state = TriggerState.RETRYING if found.available else found.status.state
    effect = judge(act, state)
    return Intervened(id=id_, effect=effect, status=found.status, cut=found.cut)


async def _change(
    connection: AsyncConnection, act: Act, profile: str, found: Mapping[str, _Found]
) -> None:
    ids = sorted(found)
    redriven = [id_ for id_ in ids if found[id_].redriven]
    if redriven:
        rows = [{"of_profile": profile, "of_id": id_} for id_ in redriven]
        await connection.execute(_BEGIN_ANEW, rows)
    if ids:
        new = _STATUSES[act].value
        changes = [
            {"of_profile": profile, "of_id": id_, "new": new, "is_cut": found[id_].cut}
            for id_ in ids
        ]
        await connection.execute(_CHANGE, changes)
