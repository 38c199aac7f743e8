"""Claims in memory: the promises of claiming.Claims in few words."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from keyrelay.model.backlog import NO_WAIT, QueueStatus, TriggerState, TriggerWait
from keyrelay.model.claim import (
    SETTLED,
    Arrival,
    Busy,
    ClaimState,
    ClaimStatus,
    Ending,
    Go,
    Judgement,
    Owner,
    claimed,
    judge,
)
from keyrelay.model.ids import Beginnings
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import Unavailable

STATES = {
    ClaimStatus.ACCEPTED: TriggerState.WAITING,
    ClaimStatus.CLAIMED: TriggerState.LEASED,
    ClaimStatus.PARKED: TriggerState.WAITING,
    ClaimStatus.HELD: TriggerState.HELD,
    ClaimStatus.CANCELLING: TriggerState.CANCELLING,
    ClaimStatus.CANCELLED: TriggerState.CANCELLED,
    ClaimStatus.DONE: TriggerState.DONE,
    ClaimStatus.BURIED: TriggerState.BURIED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    arrival: Arrival
    status: ClaimStatus
    owner: "MemoryClaims"
    claimed_at: datetime
    settled_at: datetime | None = None
    wait: TriggerWait = NO_WAIT


@dataclass(slots=True)
class Book:
    """What all workers write in, and which of them are dead."""

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    dead: "list[MemoryClaims]" = field(default_factory=list)
    publishers: dict[tuple[str, str], str | None] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, eq=False)
class MemoryClaims:
    """A worker's; `down`, it is as if the database did not answer."""

    world: World
    book: Book
    down: bool = False

    async def claim(self, arrivals: Sequence[Arrival]) -> Sequence[Judgement]:
        self._be_there()
        return [self.claim_one(arrival) for arrival in arrivals]

    async def end(self, endings: Sequence[Ending]) -> Sequence[bool]:
        self._be_there()
        return [self.end_one(ending) for ending in endings]

    async def still_held(self, claimed: Arrival, since: datetime) -> bool:
        self._be_there()
        entry = self.book.entries.get((claimed.profile, claimed.id))
        return entry is not None and entry.owner is self

    async def state(self, profile: str, id_: str) -> ClaimState | None:
        self._be_there()
        entry = self.book.entries.get((profile, id_))
        return None if entry is None else self._seen(entry)

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        self._be_there()
        entry = self.book.entries.get((profile, id_))
        if entry is None:
            return None
        attempted, state = entry.arrival.attempts, STATES[entry.status]
        if state is TriggerState.WAITING and attempted:
            state = TriggerState.RETRYING
        return QueueStatus(
            state=state,
            attempts=entry.arrival.attempts,
            accepted_at=entry.claimed_at,
            wait=entry.wait,
            settled_at=entry.settled_at,
        )

    async def publisher(self, profile: str, id_: str) -> str | None:
        self._be_there()
        return self.book.publishers.get((profile, id_))

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        self._be_there()
        ids = [id_ for of, id_ in self.book.entries if of == profile]
        return sorted(i for i in ids if i.startswith(tuple(sought.texts)))[
            : sought.most
        ]

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        self._be_there()
        return frozenset(ids) & {id_ for _, id_ in self.book.entries}

    async def are_new(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        self._be_there()
        return [(each.profile, each.id) not in self.book.entries for each in triggers]

    async def accept(self, triggers: Sequence[Trigger]) -> None:
        self._be_there()
        for each in triggers:
            place = each.profile, each.id
            self.book.publishers.setdefault(place, each.lifetime.publisher)
            entry = Entry(
                arrival=Arrival(profile=each.profile, id=each.id),
                status=ClaimStatus.ACCEPTED,
                owner=self,
                claimed_at=self.world.now(),
            )
            self.book.entries.setdefault((each.profile, each.id), entry)

    def claim_one(self, arrival: Arrival) -> Judgement:
        place = (arrival.profile, arrival.id)
        entry = self.book.entries.get(place)
        if entry and entry.status is ClaimStatus.CLAIMED and entry.owner is self:
            return Busy()  # no answer of ours is ever lost
        verdict = judge(arrival, None if entry is None else self._seen(entry))
        if isinstance(verdict, Go):
            claimed_at = self._begun(arrival, entry)
            self.book.entries[place] = Entry(
                arrival=claimed(arrival, verdict),
                status=ClaimStatus.CLAIMED,
                owner=self,
                claimed_at=claimed_at,
            )
            return replace(verdict, claimed_at=claimed_at)
        return verdict

    def end_one(self, ending: Ending) -> bool:
        before = ending.claimed
        place = (before.profile, before.id)
        entry = self.book.entries.get(place)
        if (
            entry is None
            or entry.owner is not self
            or entry.status is not ClaimStatus.CLAIMED
        ):
            return False
        now = entry.arrival
        if (now.generation, now.sequence) != (before.generation, before.sequence):
            return False
        settled_at = self.world.now() if ending.status in SETTLED else None
        self.book.entries[place] = Entry(
            arrival=ending.then,
            status=ending.status,
            owner=self,
            claimed_at=entry.claimed_at,
            settled_at=settled_at,
            wait=ending.wait,
        )
        return True

    def _begun(self, arrival: Arrival, entry: Entry | None) -> datetime:
        """Return when the trigger was first claimed in this life."""
        if entry is None or entry.arrival.generation < arrival.generation:
            return self.world.now()
        return entry.claimed_at

    def _seen(self, entry: Entry) -> ClaimState:
        owner = Owner.OURS if entry.owner is self else Owner.ALIVE
        if entry.owner in self.book.dead:
            owner = Owner.DEAD
        return ClaimState(
            arrival=entry.arrival,
            status=entry.status,
            owner=owner,
            claimed_at=entry.claimed_at,
        )

    def _be_there(self) -> None:
        if self.down:
            raise Unavailable("the claims do not answer")
