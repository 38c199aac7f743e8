"""Intervening: triggers that are held, released, cancelled or hurried by a person."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from keyrelay.model.audit import Change
from keyrelay.model.audit_document import read_instant
from keyrelay.model.backlog import QueueEntry, QueueQuery, QueueStatus, TriggerState
from keyrelay.model.intervention import Act, ActEffect, Intervened, Interventions, judge
from keyrelay.services.paging import in_parts
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.audit.trail import AuditTrail
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.refusals import NotFound

_NOUN = "trigger"
_TOGETHER = 500  # triggers changed by one transaction, and recorded by one
_CHANGES = {
    Act.HOLD: Change.HELD,
    Act.RELEASE: Change.RELEASED,
    Act.CANCEL: Change.CANCELLED,
    Act.RETRY: Change.RETRIED,
}
_ALREADY = {
    Act.HOLD: "is held already",
    Act.RELEASE: "is not held",
    Act.CANCEL: "is cancelled already",
    Act.RETRY: "is due already, or waits for another of its key alone",
}
_TOO_LATE = {
    TriggerState.LEASED: "is being attempted",
    TriggerState.DONE: "is done",
    TriggerState.BURIED: "is a dead letter; `keyrelay dead-letter` has it",
    TriggerState.CANCELLED: "was cancelled",
}
_IMPOSSIBLE = {
    TriggerState.HELD: "is held; `keyrelay trigger release` frees it",
    TriggerState.CANCELLING: "is half cancelled; `keyrelay trigger cancel` ends that",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerResult:
    """What became of one trigger; `refusal` says why nothing did.

    `remark` says that it was as it should be before; `is_known`, that there is one.
    """

    trigger: str
    refusal: str | None = None
    remark: str | None = None
    is_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervening:
    """Each method raises Unavailable; to ask again is safe then."""

    queue: Interventions
    journal: Journal
    trail: AuditTrail

    async def choose(
        self, profile: str, query: QueueQuery, act: Act
    ) -> Sequence[QueueEntry]:
        """Return the matching triggers that the act would change, or is too late for.

        Whether it is too late can be another thing a moment later.
        """
        return [
            entry
            async for entry in self.queue.entries(profile, query)
            if _is_meant(act, entry.status)
        ]

    async def intervene(
        self, act: Act, profile: str, triggers: Iterable[str], actor: str
    ) -> AsyncIterator[TriggerResult]:
        """Act on triggers, each change with its record; yield what became of each.

        One that cannot be changed does not stop the others.
        """
        for ids in in_parts(triggers, _TOGETHER):
            for said in await self._intervene(act, profile, ids, actor):
                yield _result(act, said)

    async def _intervene(
        self, act: Act, profile: str, ids: Sequence[str], actor: str
    ) -> Sequence[Intervened]:
        # What is to be cancelled is held first, or a worker could deliver what is
        # recorded as cancelled; it is settled last, or a crash could leave a settled
        # trigger without a record. After a crash between the steps it is held, and
        # cancelling it again goes on.
        note = f"{_CHANGES[act]} by {actor}"
        answers = await self.queue.intervene(act, profile, ids, note)
        changed = [said for said in answers if said.effect is ActEffect.APPLIED]
        if changed:
            await self._record(act, profile, changed, actor)
        if changed and act is Act.CANCEL:
            await self.queue.conclude(profile, [said.id for said in changed])
        return answers

    async def _record(
        self, act: Act, profile: str, changed: Sequence[Intervened], actor: str
    ) -> None:
        new = [each for each in changed if not await self._is_on_record(profile, each)]
        async with self.journal.writing(profile, actor) as writing:
            for said in new:
                writing.record(_NOUN, said.id, _CHANGES[act], _detail(said))

    async def _is_on_record(self, profile: str, said: Intervened) -> bool:
        """Tell whether a cancellation that a crash cut short was recorded."""
        status = said.status
        if status is None or status.state is not TriggerState.CANCELLING:
            return False
        query = AuditQuery(kind="change", trigger=said.id)
        return any(
            entry.document.get("change") == Change.CANCELLED
            and (at := read_instant(entry.document.get("at"))) is not None
            and (status.accepted_at is None or at >= status.accepted_at)
            for entry in await self.trail.list(profile, query)
        )


def _is_meant(act: Act, status: QueueStatus) -> bool:
    effect = judge(act, status.state)
    in_flight = status.state is TriggerState.LEASED
    return effect is ActEffect.APPLIED or (in_flight and act in (Act.HOLD, Act.CANCEL))


def _result(act: Act, said: Intervened) -> TriggerResult:
    state = None if said.status is None else said.status.state
    match said.effect:
        case ActEffect.APPLIED:
            return TriggerResult(trigger=said.id)
        case ActEffect.ALREADY:
            remark = f"trigger {said.id} {_ALREADY[act]}"
            return TriggerResult(trigger=said.id, remark=remark)
        case ActEffect.UNKNOWN:
            why = str(NotFound(_NOUN, said.id))
            return TriggerResult(trigger=said.id, refusal=why, is_known=False)
        case ActEffect.UNSUPPORTED:
            return _unsupported(act, said)
        case ActEffect.TOO_LATE:
            why = _sentence(_TOO_LATE, state)
            return _not_acted_on(said, f"too late: trigger {said.id} {why}")
        case ActEffect.IMPOSSIBLE:
            why = _sentence(_IMPOSSIBLE, state)
            return _not_acted_on(said, f"trigger {said.id} {why}")
        case _:
            assert_never(said.effect)


def _unsupported(act: Act, said: Intervened) -> TriggerResult:
    if act is Act.RETRY:
        return _not_acted_on(
            said,
            f"trigger {said.id}: what waits in Kafka comes when it is due, not before",
        )
    return _not_acted_on(
        said,
        f"trigger {said.id}: without KEYRELAY_DEDUPLICATION_HOURS nothing in Kafka can"
        " be held or cancelled",
    )


def _not_acted_on(said: Intervened, why: str) -> TriggerResult:
    return TriggerResult(trigger=said.id, refusal=why)


def _sentence(sentences: Mapping[TriggerState, str], state: TriggerState | None) -> str:
    return "is not there" if state is None else sentences[state]


def _detail(said: Intervened) -> str:
    if said.status is None:
        return "before any worker had read it"
    known = f"action {said.action}, " if said.action else ""
    made = f"{known}attempts: {said.status.attempts}"
    unsettled = "; one ended unsettled, so that its receiver may have the message"
    return made + unsettled if said.cut else made
