"""Ports: everything the engine asks of the world, on one page.

An adapter satisfies a port by its methods and does not inherit from it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from keyrelay.model.action import Action, Message
from keyrelay.model.analysis import ScriptedAnalysis
from keyrelay.model.audit import AuditRecord
from keyrelay.model.backlog import (
    Depth,
    Lag,
    PartitionBacklog,
    QueueStatus,
    ReadingLosses,
)
from keyrelay.model.catalog import Catalog
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.ids import Beginnings
from keyrelay.model.intervention import Interventions
from keyrelay.model.outcome import Deferred, Outcome, Rejected
from keyrelay.model.pause import SharedPause
from keyrelay.model.policy.policy import Permit
from keyrelay.model.recorded import CutLeases, RecordedAttempt
from keyrelay.model.release import ReleasedRun, RunPlace
from keyrelay.model.revision import Revision
from keyrelay.model.run import RunOrder
from keyrelay.model.secret import OpenedSecret, SealedSecret
from keyrelay.model.settlement import Settlement
from keyrelay.model.trigger import Trigger


class Unavailable(Exception):
    """A part of the world does not answer now; a later call may succeed.

    The message says which part and what to do, and holds no value.
    """


# Tells how new the definitions are that a process would read now. Raises Unavailable.
RevisionNow = Callable[[], Awaitable[Revision | None]]


class Inbox(Protocol):
    """The end of a queue where triggers come in.

    What comes in bears the revision of the definitions at that moment.
    """

    async def accept(self, trigger: Trigger) -> bool:
        """Return True once the trigger is durable; False if it is known already.

        A trigger is known if its (profile, id) was accepted in the last seven days. A
        log knows those of hours that are set, and of the same trigger twice at once by
        two processes it returns True for both; one is attempted. Raises Unavailable;
        then the trigger may or may not have been kept.
        """

    async def accept_all(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        """Accept triggers together; return what `accept` does for each, in order.

        Raises Unavailable; then any of them may or may not have been kept.
        """

    async def redrive(self, letter: DeadLetter) -> bool:
        """Accept a buried trigger again, without its `done` parts; durable on return.

        False if it is not buried: it waits already, was delivered since, or is leased,
        in which case it may be buried again. Raises Unavailable.
        """


class Lease(Protocol):
    """A trigger on loan to a lane. If it is not settled, it expires and goes back."""

    @property
    def trigger(self) -> Trigger: ...

    @property
    def number(self) -> int:
        """Return which attempt this is, from 1; one that was cut short counts."""

    @property
    def repeats(self) -> bool:
        """Whether an earlier lease ended unsettled, so that the peer may have it."""

    @property
    def unsettled(self) -> CutLeases | None:
        """What is known of those leases; None, there are none to ask about."""

    @property
    def done(self) -> frozenset[str]:
        """The parts that earlier attempts settled."""

    async def still_held(self) -> bool:
        """Tell whether no other process may attempt the trigger now.

        It costs nothing while the last renewal is fresh. Raises Unavailable.
        """

    async def settle(self, settlement: Settlement) -> None:
        """Settle the trigger, durably on return; do nothing if the lease was lost.

        Raises Unavailable.
        """


class Queue(Protocol):
    """The end of a queue where triggers are leased."""

    async def lease(self, until: asyncio.Event) -> Lease | None:
        """Wait for the next due trigger; None once `until` is set or it is drained.

        The queue renews the lease as long as this process lives. Raises Unavailable.
        """


class Waker(Protocol):
    """Ends waits of triggers early."""

    async def wake(self, secret: str) -> None:
        """Make all triggers due that wait for this secret. Raises Unavailable."""

    async def wake_all(self) -> None:
        """Make all triggers due that wait for any secret. Raises Unavailable."""


class Backlog(Protocol):
    """What commands and probes read of a queue. Each raises Unavailable."""

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        """Return where a trigger stands; None if it is not known."""

    async def publisher(self, profile: str, id_: str) -> str | None:
        """Return the id of the token that the API accepted the trigger from.

        None if it came in another way, or is no longer known.
        """

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        """Return the ids of known triggers that begin so, sorted."""

    @property
    def losses(self) -> ReadingLosses:
        """Return what this process could not read since it began."""

    async def depth(self) -> Depth:
        """Return how many triggers wait, for all workers together."""

    async def lags(self) -> Sequence[Lag]:
        """Return how many triggers wait for this process, topic by topic."""

    async def unread(self) -> int:
        """Return how many records of a log are not settled, whosever they are."""


class TriggerQueue(Inbox, Queue, Waker, Backlog, Interventions, Protocol):
    """A whole queue: both ends, its waker, its backlog, and what people change."""

    async def unsettled(self) -> Sequence[PartitionBacklog]:
        """Return what a log has where anything is left, whosever it is."""


class Definitions(Protocol):
    """The catalog of all definitions, kept fresh while `watch` runs."""

    def current(self) -> Catalog:
        """Return the catalog as of the last refresh.

        Raises Unavailable if that was too long ago.
        """

    async def refresh(self) -> bool:
        """Read what has changed; False, that failed: the catalog grows old."""

    async def watch(self, stop: asyncio.Event) -> None:
        """Refresh on each announced change and every second, until `stop` is set."""


class Pauses(Protocol):
    """Pauses of secrets, where all workers and commands see them.

    What is written is durable on return. Each method raises Unavailable.
    """

    async def refused(self) -> Sequence[SharedPause]:
        """Return the pauses of refused credentials that stand, of any worker."""

    async def replaced(self, versions: Mapping[str, int]) -> Collection[str]:
        """Return which of these secrets, by id, have a newer version by now."""

    async def keep_refused(self, pause: SharedPause) -> None:
        """Keep the pause of a refused credential until it ends.

        It ends with the version: nothing is kept once the secret was replaced.
        """

    async def end_refused(self, secret: str, version: int) -> None:
        """End the pause of this version, or of an older one."""

    async def claim_probe(self, pause: SharedPause) -> bool:
        """Tell whether this process may probe; until it did, no other may.

        After the pause's length another may.
        """

    async def keep_unreachable(self, pauses: Sequence[SharedPause]) -> None:
        """Keep these in place of all of this worker, for thirty seconds."""


class Vault(Protocol):
    """The only way to a secret's value."""

    async def open(self, permit: Permit) -> OpenedSecret:
        """Return the permitted secret. Raises Unavailable or Unsealable."""

    async def verify(self, sealed: SealedSecret) -> None:
        """Raise what `open` would raise, without handing out the value."""


class Unsealable(Exception):
    """The sealed value does not open and never will; the message says why."""


StillHeld = Callable[[], Awaitable[bool]]  # Lease.still_held

# Lets the lane of an attempt take another trigger; the attempt goes on without a lane.
LeaveLane = Callable[[], None]


class Dispatcher(Protocol):
    """What sends the messages of one channel to a peer."""

    async def dispatch(
        self,
        message: Message,
        secret: OpenedSecret,
        still_held: StillHeld | None = None,
    ) -> Outcome:
        """Make one attempt. Every foreseen failure is an Outcome, not an exception.

        The message was composed by an instruction of the dispatcher's own channel.
        `still_held` is asked last before the peer can act on the message; if it says
        no, nothing is sent and the outcome is LEASE_LOST. What it raises is raised.
        """


class RunAsker(Protocol):
    """What performs actions that need no secret: it asks for runs of analyses."""

    async def ask(self, message: Message, action: Action, catalog: Catalog) -> Outcome:
        """Keep the runs, durably on return; one that is there stays what it is.

        Each analysis is a part of the outcome. Raises Unavailable; then none is kept,
        or all are.
        """


class RunStage(Protocol):
    """Where runs of analyses take place."""

    async def place(
        self, order: RunOrder, scripted: ScriptedAnalysis
    ) -> RunPlace | Deferred | Rejected:
        """Return where this run is to take place, or why it is not now, or never."""

    async def perform(
        self, run: ReleasedRun, place: RunPlace, still_held: StillHeld
    ) -> Outcome:
        """Run it once. Every foreseen failure is an Outcome, not an exception.

        `still_held` is asked last before the script begins; if it says no, nothing is
        run, which is LEASE_LOST; if a script was ended as its run was lost, RUN_LOST.
        """


class AuditLog(Protocol):
    """Where attempts and changes are recorded. Each method raises Unavailable."""

    async def append(self, record: AuditRecord) -> None:
        """Append the record, durably on return."""

    async def attempts(
        self, profile: str, trigger: str, since: datetime
    ) -> Sequence[RecordedAttempt]:
        """Return the attempts on record that began then or later, the oldest first."""


class DeadLetters(Protocol):
    """Where buried triggers are kept."""

    async def bury(self, letter: DeadLetter) -> None:
        """Keep the letter, durably on return; a trigger has at most one.

        Raises Unavailable.
        """
