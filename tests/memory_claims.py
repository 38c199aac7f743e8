"""Claims in memory: the promises of ports.Claims in few words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from keyrelay.model.backlog import State, Status
from keyrelay.model.claim import (
    SETTLED,
    Arrival,
    Busy,
    Ending,
    Go,
    Hold,
    Owner,
    Standing,
    Verdict,
    claimed,
    judge,
)
from keyrelay.model.world import World
from keyrelay.ports import Unavailable

STATES = {
    Hold.CLAIMED: State.LEASED,
    Hold.PARKED: State.WAITING,
    Hold.DONE: State.DONE,
    Hold.BURIED: State.BURIED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    arrival: Arrival
    hold: Hold
    owner: "MemoryClaims"
    claimed_at: datetime
    settled_at: datetime | None = None


@dataclass(slots=True)
class Book:
    """What all workers write in, and which of them are dead."""

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    dead: "list[MemoryClaims]" = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class MemoryClaims:
    """A worker's; `down`, it is as if the database did not answer."""

    world: World
    book: Book
    down: bool = False

    async def claim(self, arrivals: Sequence[Arrival]) -> Sequence[Verdict]:
        self._be_there()
        return [self.claim_one(arrival) for arrival in arrivals]

    async def end(self, endings: Sequence[Ending]) -> Sequence[bool]:
        self._be_there()
        return [self.end_one(ending) for ending in endings]

    async def standing(self, profile: str, id_: str) -> Standing | None:
        self._be_there()
        entry = self.book.entries.get((profile, id_))
        return None if entry is None else self._seen(entry)

    async def status(self, profile: str, id_: str) -> Status | None:
        self._be_there()
        entry = self.book.entries.get((profile, id_))
        if entry is None:
            return None
        return Status(
            state=STATES[entry.hold],
            attempts=entry.arrival.attempts,
            accepted_at=entry.claimed_at,
            due=None,
            settled_at=entry.settled_at,
        )

    def claim_one(self, arrival: Arrival) -> Verdict:
        place = (arrival.profile, arrival.id)
        entry = self.book.entries.get(place)
        if entry and entry.hold is Hold.CLAIMED and entry.owner is self:
            return Busy()  # no answer of ours is ever lost
        verdict = judge(arrival, None if entry is None else self._seen(entry))
        if isinstance(verdict, Go):
            self.book.entries[place] = Entry(
                arrival=claimed(arrival, verdict),
                hold=Hold.CLAIMED,
                owner=self,
                claimed_at=self._begun(arrival, entry),
            )
        return verdict

    def end_one(self, ending: Ending) -> bool:
        before = ending.claimed
        place = (before.profile, before.id)
        entry = self.book.entries.get(place)
        if entry is None or entry.owner is not self or entry.hold is not Hold.CLAIMED:
            return False
        now = entry.arrival
        if (now.life, now.turn) != (before.life, before.turn):
            return False
        settled_at = self.world.now() if ending.hold in SETTLED else None
        self.book.entries[place] = Entry(
            arrival=ending.then,
            hold=ending.hold,
            owner=self,
            claimed_at=entry.claimed_at,
            settled_at=settled_at,
        )
        return True

    def _begun(self, arrival: Arrival, entry: Entry | None) -> datetime:
        """Return when the trigger was first claimed in this life."""
        if entry is None or entry.arrival.life < arrival.life:
            return self.world.now()
        return entry.claimed_at

    def _seen(self, entry: Entry) -> Standing:
        owner = Owner.OURS if entry.owner is self else Owner.ALIVE
        if entry.owner in self.book.dead:
            owner = Owner.DEAD
        return Standing(arrival=entry.arrival, hold=entry.hold, owner=owner)

    def _be_there(self) -> None:
        if self.down:
            raise Unavailable("the claims do not answer")
