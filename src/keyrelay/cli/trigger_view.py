"""Trigger view: which unsettled triggers are meant, and how one is shown."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from keyrelay.cli.audit_view import record_document
from keyrelay.cli.columns import (
    ACTION,
    instant,
    other_id,
    own_id,
    records,
    text,
    waiting,
    word,
)
from keyrelay.cli.fitted import put_table
from keyrelay.cli.output import Document, put_document, show
from keyrelay.cli.refusals import WrongUsage, require_choice
from keyrelay.cli.secret_view import pause_document, show_pauses, standing_pauses
from keyrelay.cli.session import Session
from keyrelay.model.backlog import (
    UNSETTLED,
    PartitionBacklog,
    QueueEntry,
    QueueQuery,
    QueueStatus,
    TriggerState,
)
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.instant import wire_date
from keyrelay.model.intervention import Act
from keyrelay.model.trigger import Trigger
from keyrelay.ports import TriggerQueue
from keyrelay.services.dead_letter_documents import letter_document
from keyrelay.services.intervening import Intervening
from keyrelay.services.naming import find_secret, whole_ids
from keyrelay.services.trigger_status import TriggerStatus
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.secrets import id_of

State = Annotated[
    TriggerState | None,
    typer.Option("--state", help="Only those that stand so."),
]
SecretFilter = Annotated[
    str | None,
    typer.Option("--secret", help="Only those that use this secret, by id or key."),
]
ReasonFilter = Annotated[
    str | None, typer.Option("--reason", help="Only those with this in their reason.")
]

COLUMNS = (
    other_id("id", waiting),
    word("state"),
    *ACTION,
    word("attempts", optional=True),
    instant("due"),
    text("reason"),
)
_ATTEMPT_COLUMNS = (
    instant("at"),
    own_id(records),
    word("attempt"),
    word("outcome"),
    word("settlement", optional=True),
    text("reason"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    """Filters as they were written; None lets everything through."""

    state: TriggerState | None = None
    action: str | None = None
    secret: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.state is not None and self.state not in UNSETTLED:
            states = ", ".join(UNSETTLED)
            raise WrongUsage(f"what is {self.state} is settled; listed are: {states}")

    async def query(self, session: Session) -> QueueQuery:
        secrets, profile = session.store.definitions.secrets, session.profile.id
        secret, users = None, frozenset[str]()
        if self.secret is not None:
            secret = id_of(await find_secret(secrets, profile, self.secret))
            users = await secrets.users(profile, secret)
        return QueueQuery(
            state=self.state,
            action=await session.action_id(self.action),
            secret=secret,
            users=users,
            reason=self.reason,
        )

    async def rows(
        self, session: Session, limit: int | None
    ) -> AsyncIterator[Document]:
        query, found = await self.query(session), 0
        async with session.queue() as queue:
            if self == QueueFilter():
                for backlog in await queue.unsettled():
                    found += 1
                    yield _backlog_document(backlog)
            async for entry in queue.entries(session.profile.id, query):
                if found == limit:
                    return
                found += 1
                yield _entry_document(entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerChoice:
    """Triggers chosen by id, or `all` that match the filter."""

    ids: Sequence[str]
    all: bool
    filter: QueueFilter

    def __post_init__(self) -> None:
        require_choice(self.ids, everything=self.all)

    async def read(
        self, session: Session, queue: TriggerQueue, act: Act
    ) -> Sequence[str]:
        query, profile = await self.filter.query(session), session.profile.id
        if self.ids:
            return await whole_ids(queue.beginning, profile, self.ids)
        chosen = await intervening(session, queue).choose(profile, query, act)
        return [entry.id for entry in chosen]


def intervening(session: Session, queue: TriggerQueue) -> Intervening:
    store = session.store
    journal = Journal(audit_log=store.audit_log)
    return Intervening(queue=queue, journal=journal, trail=store.trail)


def _backlog_document(backlog: PartitionBacklog) -> Document:
    """Return a row of the list that stands for what is left in a partition."""
    place = f"{backlog.topic}/{backlog.partition}"
    since = wire_date(backlog.oldest)
    return {
        "id": None,
        "state": "unread",
        "topic": backlog.topic,
        "partition": backlog.partition,
        "waiting": backlog.waiting,
        "oldest": since,
        "reason": f"{backlog.waiting} not settled in {place}, the oldest of {since}",
    }


def _entry_document(entry: QueueEntry) -> Document:
    names = {"id": entry.id, "action": entry.action, "key": entry.key}
    return {**names, **_status_document(entry.status)}


async def show_status(
    session: Session, status: TriggerStatus, *, as_json: bool
) -> None:
    fields = {"id": status.trigger, **_state(status.queue), **_asked_for(status)}
    attempts = [record_document(entry) for entry in status.attempts]
    letter = None if status.letter is None else letter_document(status.letter)
    pauses = await _pauses(session, status.queue)
    if as_json:
        more = {"pauses": pauses, "dead_letter": letter, "attempt_records": attempts}
        put_document({**fields, **more})
        return
    show(fields if letter is None else {**fields, "buried_because": letter["reason"]})
    if pauses:
        show_pauses(pauses)
    await put_table(session, attempts, _ATTEMPT_COLUMNS)


async def _pauses(session: Session, status: QueueStatus | None) -> list[Document]:
    """Return the pauses of the secret that the trigger waits for."""
    if status is None or status.wait.secret is None:
        return []
    standing = await standing_pauses(session)
    return [pause_document(each) for each in standing.get(status.wait.secret, ())]


def _asked_for(status: TriggerStatus) -> Document:
    """Return what the trigger asks for, where it is still kept."""
    match status:
        case TriggerStatus(letter=DeadLetter(trigger=trigger)):
            pass
        case TriggerStatus(queue=QueueStatus(trigger=Trigger() as trigger)):
            pass
        case _:  # settled: its attempts name the action
            named = [entry.document.get("action") for entry in status.attempts[-1:]]
            return {"action": named[0]} if named else {}
    return {
        "action": trigger.action,
        "key": trigger.key,
        "raised_at": wire_date(trigger.lifetime.raised_at),
        "deadline": wire_date(trigger.lifetime.deadline),
        "data": trigger.document()["data"],
    }


def _state(status: QueueStatus | None) -> Document:
    if status is None:
        return {"state": "forgotten"}
    return _status_document(status)


def _status_document(status: QueueStatus) -> Document:
    return {
        "state": status.state,
        "attempts": status.attempts,
        "accepted_at": wire_date(status.accepted_at),
        "due": wire_date(status.wait.due),
        "reason": status.wait.reason,
        "waits_for": status.wait.secret,
        "settled_at": wire_date(status.settled_at),
    }
