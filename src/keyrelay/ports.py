"""Everything the engine asks of the world, on one page."""

import asyncio
from collections.abc import Sequence
from typing import Protocol, TypeVar

from keyrelay.model.audit import AuditRecord
from keyrelay.model.backlog import Depth, Lag, QueueStatus
from keyrelay.model.catalog import Catalog
from keyrelay.model.claim import Arrival, ClaimState, Ending, Judgement
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.message import Mail, QueueMessages
from keyrelay.model.outcome import Outcome
from keyrelay.model.policy.policy import Permit
from keyrelay.model.secret import OpenedSecret
from keyrelay.model.settlement import Settlement
from keyrelay.model.trigger import Trigger

M = TypeVar("M", Mail, QueueMessages, contravariant=True)


class Unavailable(Exception):
    """A part of the world does not answer now; asking later may work.

    The message says which part and what to do, and holds no value.
    """


class Inbox(Protocol):
    async def accept(self, trigger: Trigger) -> bool:
        """Return once the trigger would survive a power cut; False, it is known.

        Known is a trigger whose (profile, id) was accepted in the last seven days; a
        log does not know at once, and passes over it when it is taken. Raises
        Unavailable; then the trigger may or may not have been kept.
        """

    async def redrive(self, letter: DeadLetter) -> bool:
        """Accept a buried trigger anew, without its `done` parts; durable on return.

        False, it is not buried: it waits already, was delivered since, or is leased
        and may be about to be buried again.
        """


class Lease(Protocol):
    """A trigger on loan. Unsettled, it goes back to the queue when it expires."""

    @property
    def trigger(self) -> Trigger: ...

    @property
    def number(self) -> int:
        """Which attempt this is, counting from 1; a cut one counts."""

    @property
    def repeats(self) -> bool:
        """Whether an earlier lease ended unsettled: the receiver may have it."""

    @property
    def done(self) -> frozenset[str]:
        """The parts that earlier attempts settled."""

    async def settle(self, settlement: Settlement) -> None:
        """Return once durable; do nothing if the lease was lost. Raises Unavailable."""


class Queue(Protocol):
    async def lease(self, until: asyncio.Event) -> Lease | None:
        """Wait for the next due trigger; None once `until` is set or all is done.

        The queue keeps the lease alive while its holder lives. Raises Unavailable.
        """


class Waker(Protocol):
    async def wake(self, secret: str) -> None:
        """Make due what waits for this secret to be replaced. Raises Unavailable."""

    async def wake_all(self) -> None:
        """Make due what waits for any secret. Raises Unavailable."""


class Backlog(Protocol):
    """What can be seen of a queue from outside. Each raises Unavailable."""

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        """Return where a trigger stands; None, it is not known."""

    async def depth(self) -> Depth:
        """Return how much there is to do, for all workers together."""

    async def lags(self) -> Sequence[Lag]:
        """Return how much there is to do for this process, topic by topic."""


class TriggerQueue(Inbox, Queue, Waker, Backlog, Protocol):
    """Both ends of a queue, and a look at it."""


class Claims(Protocol):
    """Written before anything is attempted, so that no crash makes us forget it.

    Each is durable on return, and raises Unavailable.
    """

    async def claim(self, arrivals: Sequence[Arrival]) -> Sequence[Judgement]:
        """Claim all that `claim.judge` lets go, in one statement.

        No trigger may stand twice among them, and none that this process attempts.
        """

    async def end(self, endings: Sequence[Ending]) -> Sequence[bool]:
        """End claims; say of each whether it was still ours, or changed nothing."""


class ClaimStates(Protocol):
    """What can be seen of claims. Each raises Unavailable."""

    async def state(self, profile: str, id_: str) -> ClaimState | None:
        """Return what is written about a trigger; None, nothing is."""

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        """Return the same for people, with its times."""


class Definitions(Protocol):
    """The catalog of all definitions, kept fresh while `watch` runs."""

    def current(self) -> Catalog:
        """Return the view as of the last refresh. Raises Unavailable if it is old."""

    async def refresh(self) -> None:
        """Read what has changed up to now; a fault lets the view grow old."""

    async def watch(self, stop: asyncio.Event) -> None:
        """Refresh whenever a change is announced, and often, until `stop` is set."""


class Vault(Protocol):
    async def open(self, permit: Permit) -> OpenedSecret:
        """Return the permitted secret. Raises Unavailable or Unsealable."""


class Unsealable(Exception):
    """The sealed value does not open and never will; the message says which way."""


class Dispatcher(Protocol[M]):
    async def dispatch(self, message: M, secret: OpenedSecret) -> Outcome:
        """Try once. Every foreseen failure is an Outcome, not an exception."""


class AuditLog(Protocol):
    async def append(self, record: AuditRecord) -> None:
        """Return only once the record would survive a power cut. Raises Unavailable."""


class DeadLetters(Protocol):
    async def bury(self, letter: DeadLetter) -> None:
        """Return once durable; a trigger has one at most. Raises Unavailable."""
