"""Claim records: what is written about claims, for those that attempt nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from keyrelay.databases.database import Database, text_of
from keyrelay.model.backlog import QueueStatus
from keyrelay.model.claim import Arrival, ClaimState, Owner
from keyrelay.model.ids import Beginnings
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.stores.claims import acceptance, statements
from keyrelay.stores.claims.heartbeat import time_at
from keyrelay.stores.claims.rows import id_of, state_of, status_of
from keyrelay.stores.claims.stored import StoredClaim, read_claims
from keyrelay.stores.rows import ids_beginning
from keyrelay.stores.schema.tables import claims as claims_table

_FIND = statements.find()
_KNOWN = statements.known()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRecords:
    """claiming.ClaimStates."""

    database: Database
    world: World

    async def state(self, profile: str, id_: str) -> ClaimState | None:
        """Return what is written about a trigger. Raises Unavailable."""
        found = await self.read(Arrival(profile=profile, id=id_))
        if found is None:
            return None
        return state_of(found, Owner.ALIVE if found.owner.alive else Owner.DEAD)

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        """Return a trigger's status; None, it was never claimed. Raises Unavailable."""
        found = await self.read(Arrival(profile=profile, id=id_))
        return None if found is None else status_of(found)

    async def publisher(self, profile: str, id_: str) -> str | None:
        """Return the id of the token that it came from. Raises Unavailable."""
        wanted = select(claims_table.c.publisher).where(
            claims_table.c.profile == profile, claims_table.c.id == id_
        )
        async with self.database.reading() as connection:
            found = await connection.scalar(wanted)
        return None if found is None else text_of(found)

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        return await ids_beginning(self.database, claims_table.c.id, profile, sought)

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those that are ids of claims in any profile. Raises Unavailable."""
        async with self.database.reading() as connection:
            return frozenset(await connection.scalars(_KNOWN, {"ids": list(ids)}))

    async def read(self, arrival: Arrival) -> StoredClaim | None:
        """Return the claim of the record's trigger. Raises Unavailable."""
        async with self.database.reading() as connection:
            now = await time_at(self.database, connection, self.world)
            wanted = {"profile": arrival.profile, "id": arrival.id, "now": now}
            asked = {id_of(arrival): arrival}
            found = await read_claims(connection, _FIND, wanted, asked)
        return found[0] if found else None

    async def are_new(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        """Return of each whether no claim shows that it was accepted."""
        known = await acceptance.known_among(self.database, triggers)
        return [(each.profile, each.id) not in known for each in triggers]

    async def accept(self, triggers: Sequence[Trigger]) -> None:
        """Write claims of those that have none. Raises Unavailable."""
        await acceptance.accept(self.database, triggers, self.world.now())
