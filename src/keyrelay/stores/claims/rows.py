"""Claim rows: between claims and their rows in the database."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from keyrelay.model.audit_document import printable
from keyrelay.model.backlog import (
    DUE_IN_TIME,
    NO_WAIT,
    QueueStatus,
    TriggerState,
    TriggerWait,
)
from keyrelay.model.claim import (
    Arrival,
    ClaimState,
    ClaimStatus,
    Ending,
    Go,
    Judgement,
    Owner,
)
from keyrelay.stores.claims.stored import NONE_DONE, StoredClaim
from keyrelay.stores.rows import ScopedId

RowValues = tuple[str | int | bool | None, ...]  # the first two are profile and id

_LONGEST_REASON = 500
_UNREAD = TriggerWait(reason="no worker has read it from Kafka yet")
_STATES = {
    ClaimStatus.ACCEPTED: TriggerState.WAITING,
    ClaimStatus.CLAIMED: TriggerState.LEASED,
    ClaimStatus.PARKED: TriggerState.RETRYING,
    ClaimStatus.HELD: TriggerState.HELD,
    ClaimStatus.CANCELLING: TriggerState.CANCELLING,
    ClaimStatus.CANCELLED: TriggerState.CANCELLED,
    ClaimStatus.DONE: TriggerState.DONE,
    ClaimStatus.BURIED: TriggerState.BURIED,
}


def encode(rows: Iterable[RowValues]) -> str:
    """Return the rows as one JSON list, in the same order in every process.

    Two that write several of the same rows at once then do not deadlock.
    """
    return msgspec.json.encode(sorted(rows)).decode()


def _claim_row(arrival: Arrival, go: Go) -> RowValues:
    return (
        arrival.profile,
        arrival.id,
        arrival.generation,
        arrival.sequence,
        go.number,
        go.cut,
        text_of(go.done),
    )


def claim_rows(
    asked: Mapping[ScopedId, Arrival], judged: Mapping[ScopedId, Judgement]
) -> list[RowValues]:
    return [
        _claim_row(asked[id_], said)
        for id_, said in judged.items()
        if isinstance(said, Go)
    ]


def ending_row(ending: Ending) -> RowValues:
    before, then = ending.claimed, ending.then
    return (
        before.profile,
        before.id,
        before.generation,
        before.sequence,
        ending.status,
        then.generation,
        then.sequence,
        then.attempts,
        then.cut,
        text_of(then.done),
        ending.wait.reason and printable(ending.wait.reason, _LONGEST_REASON),
        ending.wait.secret,
    )


def id_of(arrival: Arrival) -> ScopedId:
    return arrival.profile, arrival.id


def state_of(stored: StoredClaim, owner: Owner) -> ClaimState:
    return ClaimState(
        arrival=stored.arrival,
        status=stored.status,
        owner=owner,
        claimed_at=stored.notes.claimed_at,
    )


def status_of(stored: StoredClaim) -> QueueStatus:
    """Return what is known of the trigger; it was accepted before it was claimed."""
    state, attempts = _STATES[stored.status], stored.arrival.attempts
    if state is TriggerState.RETRYING and not attempts:
        state = TriggerState.WAITING
    if stored.status is ClaimStatus.ACCEPTED and not stored.is_damaged:
        stored = replace(stored, wait=_UNREAD)
    is_explained = state in DUE_IN_TIME or stored.is_damaged
    return QueueStatus(
        state=state,
        attempts=attempts,
        accepted_at=stored.notes.claimed_at,
        wait=stored.wait if is_explained else NO_WAIT,
        settled_at=stored.notes.settled_at,
    )


def text_of(done: frozenset[str]) -> str:
    return json.dumps(sorted(done)) if done else NONE_DONE
