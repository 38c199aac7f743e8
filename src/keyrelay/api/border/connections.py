"""Connections: how many there are, and which one is closed to make room.

Where all are taken, the one that has waited longest for a request is closed for the
new one: connections that say nothing keep no one out, however many there are. A new
one is refused if requests are under way on all of them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from keyrelay.api.border.limits import ConnectionLimits
from keyrelay.api.border.refusal import (
    FROM_ONE_ADDRESS,
    FULL,
    BorderReason,
    BorderRefusal,
)
from keyrelay.api.peers import client_of, is_within
from keyrelay.network.egress import Network

# Refused connections that are left open until their refusal is read.
_REFUSED_AT_MOST = 64


@dataclass(slots=True, eq=False)
class Admission:
    """One connection's place; `client` is None where it was refused one."""

    connections: "Connections"
    client: str | None
    refusal: BorderRefusal | None = None

    def wait(self, evict: Callable[[], object]) -> None:
        """From now on it waits for a request; `evict` closes it for another.

        If it waits already it keeps its turn, and the new `evict` counts.
        """
        if self in self.connections.admitted:  # or it has no place to give to another
            self.connections.waiting[self] = evict

    def work(self) -> None:
        """A request is under way: it is not closed for another one."""
        self.connections.waiting.pop(self, None)

    def leave(self) -> None:
        """Give the place back; again, nothing happens."""
        self.work()
        self.connections.leave(self)


def _uncounted(_: BorderReason) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """`count` is told each one's reason; `unread` are the connections refused."""

    count: Callable[[BorderReason], None] = _uncounted
    unread: set[Admission] = field(default_factory=set)


@dataclass(slots=True)
class Connections:
    """Those of one listening server. Addresses in `trusted` may have any number."""

    limits: ConnectionLimits
    trusted: Sequence[Network] = ()
    refusals: Refusals = field(default_factory=Refusals)
    admitted: set[Admission] = field(default_factory=set)
    by_client: Counter[str] = field(default_factory=Counter)
    waiting: dict[Admission, Callable[[], object]] = field(default_factory=dict)

    def admit(self, address: str) -> Admission | None:
        """Return a place, or one with a refusal; None, there is no room to refuse."""
        client = client_of(address)
        if self._has_its_share(client) and not is_within(address, self.trusted):
            return self._refuse(FROM_ONE_ADDRESS)
        if len(self.admitted) >= self.limits.in_all:
            if not self.waiting:
                return self._refuse(FULL)
            longest, evict = next(iter(self.waiting.items()))
            longest.leave()
            evict()
        admission = Admission(self, client)
        self.admitted.add(admission)
        self.by_client[client] += 1
        return admission

    def leave(self, admission: Admission) -> None:
        self.refusals.unread.discard(admission)
        if admission not in self.admitted:
            return
        self.admitted.remove(admission)
        assert admission.client is not None
        self.by_client[admission.client] -= 1
        if not self.by_client[admission.client]:
            del self.by_client[admission.client]

    def _has_its_share(self, client: str) -> bool:
        return self.by_client[client] >= self.limits.per_address

    def _refuse(self, refusal: BorderRefusal) -> Admission | None:
        self.refusals.count(refusal.reason)
        if len(self.refusals.unread) >= _REFUSED_AT_MOST:
            return None
        admission = Admission(self, None, refusal)
        self.refusals.unread.add(admission)
        return admission
