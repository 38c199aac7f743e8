"""Claims: kept where all workers see them, a whole batch at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.databases.database import Database
from keyrelay.model.backlog import QueueStatus
from keyrelay.model.claim import (
    Arrival,
    Busy,
    ClaimState,
    Ending,
    Go,
    Judgement,
    Owner,
    judge,
)
from keyrelay.model.world import World
from keyrelay.stores.claims import statements as claim_statements
from keyrelay.stores.claims.heartbeat import Heartbeat, signed_on, time_of
from keyrelay.stores.claims.rows import (
    ClaimRow,
    Told,
    claim_row,
    encode,
    ending_row,
    place_of,
    state_of,
    status_of,
)
from keyrelay.stores.claims.statements import Statements, statements_for
from keyrelay.stores.claims.upkeep import ClaimUpkeep, HeldClaims
from keyrelay.stores.rows import ScopedId

_ONE = claim_statements.one()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOptions:
    """A worker that does not tell for a `lease` that it lives is dead; what was settled
    longer ago than the `window` is forgotten."""

    lease: timedelta = timedelta(seconds=30)
    window: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if min(self.lease, self.window) <= timedelta():
            raise ValueError("claims need a lease and a window")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRecords:
    """ports.Standings: what can be seen of claims, also by one who makes none."""

    database: Database
    world: World

    async def state(self, profile: str, id_: str) -> ClaimState | None:
        """Return what is written about a trigger. Raises Unavailable."""
        row = await self._read((profile, id_))
        if row is None:
            return None
        return state_of(row, Owner.ALIVE if row.alive else Owner.DEAD)

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        """Return where it stands; None, nobody claimed it. Raises Unavailable."""
        row = await self._read((profile, id_))
        return None if row is None else status_of(row)

    async def _read(self, place: ScopedId) -> ClaimRow | None:
        profile, id_ = place
        async with self.database.reading() as connection:
            now = await time_of(self.database, connection, self.world)
            wanted = {"profile": profile, "id": id_, "now": now}
            return (await connection.execute(_ONE, wanted)).one_or_none()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimStore:
    """ports.Claims and ports.Standings."""

    records: ClaimRecords
    _presence: Heartbeat
    _statements: Statements
    _holdings: HeldClaims
    _upkeep: asyncio.Task[None]

    async def claim(self, arrivals: Sequence[Arrival]) -> Sequence[Judgement]:
        """Claim all that `claim.judge` lets go. Raises Unavailable."""
        if self._upkeep.done():
            self._upkeep.result()  # without it, we seem dead: its fault is ours
        await self._presence.tell_if_late()
        held = self._holdings.held
        asked = {place_of(each): each for each in arrivals}
        asked = {place: each for place, each in asked.items() if place not in held}
        async with self._holdings.asking(asked):
            verdicts = dict(await self._judged(asked))
        held.update(place for place, said in verdicts.items() if isinstance(said, Go))
        # Busy is also what we attempt ourselves, and what somebody writes this moment.
        return [verdicts.pop(place_of(each), Busy()) for each in arrivals]

    async def end(self, endings: Sequence[Ending]) -> Sequence[bool]:
        """End claims; say of each whether it was still ours. Raises Unavailable."""
        told = self._told(ending_row(ending) for ending in endings)
        async with self.records.database.autocommit() as connection:
            found = await connection.execute(self._statements.end, told)
            ended = {(profile, id_) for profile, id_ in found}
        places = [place_of(ending.claimed) for ending in endings]
        self._holdings.held.difference_update(places)
        return [place in ended for place in places]

    async def state(self, profile: str, id_: str) -> ClaimState | None:
        return await self.records.state(profile, id_)

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        return await self.records.status(profile, id_)

    async def _judged(
        self, asked: Mapping[ScopedId, Arrival]
    ) -> Mapping[ScopedId, Judgement]:
        if not asked:
            return {}
        verdicts = await self._claim_new(asked)
        if len(verdicts) < len(asked):
            known = {place: asked[place] for place in asked.keys() - verdicts}
            verdicts |= await self._claim_known(known)
        return verdicts

    async def _claim_new(
        self, asked: Mapping[ScopedId, Arrival]
    ) -> dict[ScopedId, Judgement]:
        firsts = {place: judge(arrival, None) for place, arrival in asked.items()}
        told = self._told(_taken(asked, firsts))
        async with self.records.database.autocommit() as connection:
            found = await connection.execute(self._statements.claim, told)
            return {(profile, id_): firsts[profile, id_] for profile, id_ in found}

    async def _claim_known(
        self, asked: Mapping[ScopedId, Arrival]
    ) -> Mapping[ScopedId, Judgement]:
        database, world = self.records.database, self.records.world
        async with database.transaction() as connection:
            now = await time_of(database, connection, world)
            wanted = {"now": now, "rows": encode(asked)}
            found = await connection.execute(self._statements.states, wanted)
            known = {(row.profile, row.id): self._state(row) for row in found}
            verdicts = {place: judge(asked[place], known[place]) for place in known}
            if taken := _taken(asked, verdicts):
                await connection.execute(self._statements.take, self._told(taken))
        return verdicts

    def _told(self, rows: Iterable[Told]) -> Mapping[str, object]:
        """Return what a statement that writes is told."""
        now = self.records.world.now()
        return {"ours": self._presence.id, "now": now, "rows": encode(rows)}

    def _state(self, row: ClaimRow) -> ClaimState:
        if row.owner == self._presence.id:
            return state_of(row, Owner.OURS)
        seems_dead = not row.alive
        # Whoever signed off has no row, and is gone for certain.
        dead = seems_dead and (row.alive is None or self._presence.knows_the_dead())
        return state_of(row, Owner.DEAD if dead else Owner.ALIVE)


@asynccontextmanager
async def open_claims(
    database: Database, world: World, terms: ClaimOptions
) -> AsyncIterator[ClaimStore]:
    """Give claims as a worker makes them, who lives for as long as they are open.

    What is claimed and not ended when they close goes to others at once. Raises
    Unavailable.
    """
    statements, holdings = statements_for(database), HeldClaims()
    async with signed_on(database, world, terms.lease) as heartbeat:
        keeping = ClaimUpkeep(
            heartbeat=heartbeat,
            holdings=holdings,
            statements=statements,
            window=terms.window,
        )
        upkeep = asyncio.create_task(keeping.keep_up())
        try:
            yield ClaimStore(
                records=ClaimRecords(database=database, world=world),
                _presence=heartbeat,
                _statements=statements,
                _holdings=holdings,
                _upkeep=upkeep,
            )
        finally:
            upkeep.cancel()
            await asyncio.wait([upkeep])


def _taken(
    asked: Mapping[ScopedId, Arrival], verdicts: Mapping[ScopedId, Judgement]
) -> list[Told]:
    return [
        claim_row(asked[place], said)
        for place, said in verdicts.items()
        if isinstance(said, Go)
    ]
