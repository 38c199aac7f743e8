"""Claims: stored where all workers see them, a whole batch at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keyrelay.concurrency.background import background
from keyrelay.databases.database import Database
from keyrelay.model.backlog import QueueStatus
from keyrelay.model.claim import (
    Arrival,
    Busy,
    ClaimState,
    ClaimStatus,
    Ending,
    Go,
    Judgement,
    Owner,
    judge,
)
from keyrelay.model.ids import Beginnings
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.stores.claims.heartbeat import Heartbeat, signed_on, time_at
from keyrelay.stores.claims.mending import mend_claims
from keyrelay.stores.claims.records import ClaimRecords
from keyrelay.stores.claims.rows import (
    RowValues,
    claim_rows,
    encode,
    ending_row,
    id_of,
    state_of,
)
from keyrelay.stores.claims.statements import Statements, statements_for
from keyrelay.stores.claims.stored import StoredClaim, known_instant, read_claims
from keyrelay.stores.claims.upkeep import ClaimUpkeep, HeldClaims
from keyrelay.stores.rows import ScopedId


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOptions:
    """A worker without a heartbeat for a `lease` is dead; a claim that was settled
    longer ago than the `window` is forgotten."""

    lease: timedelta = timedelta(seconds=30)
    window: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if min(self.lease, self.window) <= timedelta():
            raise ValueError("claims need a lease and a window")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimStore:
    """claiming.Claims and claiming.ClaimStates."""

    records: ClaimRecords
    _heartbeat: Heartbeat
    _statements: Statements
    _claims: HeldClaims
    _upkeep: asyncio.Future[object]

    async def claim(self, arrivals: Sequence[Arrival]) -> Sequence[Judgement]:
        """Claim what `claim.judge` allows. Raises Unavailable."""
        if self._upkeep.done():
            self._upkeep.result()  # raises: without it, this worker seems dead
        await self._heartbeat.beat_if_late()
        held = self._claims.held
        asked = {id_of(each): each for each in arrivals}
        asked = {id_: each for id_, each in asked.items() if id_ not in held}
        async with self._claims.claiming(asked):
            judged = dict(await self._judge(asked))
        held.update(id_ for id_, said in judged.items() if isinstance(said, Go))
        # Busy, too, is what this worker attempts, or another writes at this moment.
        return [judged.pop(id_of(each), Busy()) for each in arrivals]

    async def end(self, endings: Sequence[Ending]) -> Sequence[bool]:
        """End claims; return of each whether it was still held. Raises Unavailable."""
        rows = [ending_row(ending) for ending in endings]
        parameters = self._parameters(rows, self.records.world.now())
        async with self.records.database.autocommit() as connection:
            found = await connection.execute(self._statements.end, parameters)
            ended = {(profile, id_) for profile, id_ in found}
        ids = [id_of(ending.claimed) for ending in endings]
        self._claims.held.difference_update(ids)
        return [id_ in ended for id_ in ids]

    async def still_held(self, claimed: Arrival, since: datetime) -> bool:
        """Tell whether a claim made then or later is still held. Raises Unavailable."""
        if self._heartbeat.was_in_time(since):
            return True
        # Another worker may have taken this one for dead and its claims over.
        await self._heartbeat.beat_if_late()
        found = await self.records.read(claimed)
        if found is None or found.owner.id != self._heartbeat.id:
            return False
        ours, known = claimed, found.arrival
        return (ours.generation, ours.sequence) == (known.generation, known.sequence)

    async def state(self, profile: str, id_: str) -> ClaimState | None:
        return await self.records.state(profile, id_)

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        return await self.records.status(profile, id_)

    async def publisher(self, profile: str, id_: str) -> str | None:
        return await self.records.publisher(profile, id_)

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        return await self.records.beginning(profile, sought)

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        return await self.records.known(ids)

    async def are_new(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        return await self.records.are_new(triggers)

    async def accept(self, triggers: Sequence[Trigger]) -> None:
        await self.records.accept(triggers)

    async def _judge(
        self, asked: Mapping[ScopedId, Arrival]
    ) -> Mapping[ScopedId, Judgement]:
        if not asked:
            return {}
        judged = await self._claim_new(asked)
        if len(judged) < len(asked):
            known = {id_: asked[id_] for id_ in asked.keys() - judged}
            judged |= await self._claim_known(known)
        return judged

    async def _claim_new(
        self, asked: Mapping[ScopedId, Arrival]
    ) -> dict[ScopedId, Judgement]:
        now = self.records.world.now()
        firsts = {id_: _at(now, judge(each, None)) for id_, each in asked.items()}
        parameters = self._parameters(claim_rows(asked, firsts), now)
        async with self.records.database.autocommit() as connection:
            found = await connection.execute(self._statements.claim, parameters)
            return {
                (profile, id_): _since(firsts[profile, id_], at)
                for profile, id_, at in found
            }

    async def _claim_known(
        self, asked: Mapping[ScopedId, Arrival]
    ) -> Mapping[ScopedId, Judgement]:
        database, world = self.records.database, self.records.world
        async with database.transaction() as connection:
            now = await time_at(database, connection, world)
            wanted = {"now": now, "rows": encode(asked)}
            found = await read_claims(
                connection, self._statements.states, wanted, asked
            )
            known = {id_of(each.arrival): self._state(each) for each in found}
            at = world.now()
            await mend_claims(database, connection, found, at)
            judged = {id_: _at(at, judge(asked[id_], known[id_])) for id_ in known}
            if cancelled := [id_ for id_ in known if _is_cancelled(known[id_])]:
                parameters = self._parameters(cancelled, at)
                await connection.execute(self._statements.obey, parameters)
            if rows := claim_rows(asked, judged):
                parameters = self._parameters(rows, at)
                await connection.execute(self._statements.take, parameters)
        return judged

    def _parameters(
        self, rows: Iterable[RowValues], now: datetime
    ) -> Mapping[str, object]:
        """Return the parameters of a statement that writes."""
        return {"ours": self._heartbeat.id, "now": now, "rows": encode(rows)}

    def _state(self, stored: StoredClaim) -> ClaimState:
        owner = stored.owner
        if owner.id == self._heartbeat.id:
            return state_of(stored, Owner.OURS)
        # A worker that signed off has no row, and is gone for certain.
        signed_off = owner.alive is None
        dead = signed_off or (not owner.alive and self._heartbeat.can_judge_others())
        return state_of(stored, Owner.DEAD if dead else Owner.ALIVE)


@asynccontextmanager
async def open_claims(
    database: Database, world: World, options: ClaimOptions
) -> AsyncIterator[ClaimStore]:
    """Open claims for a worker, which signs on, and signs off when they are closed.

    What is claimed and not ended then goes to other workers at once. Raises
    Unavailable.
    """
    statements, held = statements_for(database), HeldClaims()
    async with signed_on(database, world, options.lease) as heartbeat:
        upkeep = ClaimUpkeep(
            heartbeat=heartbeat,
            held=held,
            statements=statements,
            window=options.window,
        )
        async with background(upkeep.run()) as running:
            yield ClaimStore(
                records=ClaimRecords(database=database, world=world),
                _heartbeat=heartbeat,
                _statements=statements,
                _claims=held,
                _upkeep=running,
            )


def _at(now: datetime, judgement: Judgement) -> Judgement:
    """Return the judgement; the first claim of a generation is made now."""
    if isinstance(judgement, Go) and judgement.claimed_at is None:
        return replace(judgement, claimed_at=now)
    return judgement


def _since(judgement: Judgement, claimed_at: object) -> Judgement:
    """Return the judgement of a trigger that was accepted before, or is new."""
    if isinstance(judgement, Go):
        return replace(judgement, claimed_at=known_instant(claimed_at))
    return judgement


def _is_cancelled(state: ClaimState) -> bool:
    return state.status is ClaimStatus.CANCELLED
