"""Inbox: what our own faces put into the log, and what is known of it.

What concurrent callers accept is looked up, written and noted together. The order is
the guarantee: what is known is not written again, and a trigger is noted once its
record is durable. After a crash between the two the worker that reads the record notes
it. Two processes that accept the same trigger at once write two records, of which
claims let one be attempted.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from keyrelay.concurrency.batching import Batch
from keyrelay.concurrency.outage import Outage
from keyrelay.model.claim import Arrival, ClaimStatus
from keyrelay.model.claiming import ClaimStates
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.trigger import Trigger
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.writer import ScopedId, TopicWriter

log = logging.getLogger(__name__)

_MOST = 500  # triggers accepted together

Accepted = bool | Unavailable  # whether a trigger was new, or why it was not written


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KafkaInbox:
    """ports.Inbox."""

    writer: TopicWriter
    states: ClaimStates
    _accepts: Batch[Trigger, Accepted]

    async def accept(self, trigger: Trigger) -> bool:
        return _or_raise(await self._accepts.submit(trigger))

    async def accept_all(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        return [*map(_or_raise, await self._accepts.submit_all(triggers))]

    async def redrive(self, letter: DeadLetter) -> bool:
        trigger = letter.redriven(self.writer.world.now())
        known = await self.states.state(trigger.profile, trigger.id)
        if known is not None and known.status is not ClaimStatus.BURIED:
            return False
        # Of a trigger without a claim, the first record had the generation 0.
        generation = 0 if known is None else known.arrival.generation
        arrival = Arrival(
            profile=trigger.profile,
            id=trigger.id,
            generation=generation + 1,
            done=letter.settlement.done,
        )
        await self.writer.redrive(trigger, arrival)
        return True

    async def close(self) -> None:
        """Return once nothing is written any more."""
        await self._accepts.close()
        await self.writer.close()


def new_inbox(writer: TopicWriter, states: ClaimStates) -> KafkaInbox:
    outage = Outage(
        log=log,
        begun="what is accepted is not listed until a worker reads it",
        over="what is accepted is listed again",
    )
    accept = partial(_accept, writer, states, outage)
    return KafkaInbox(
        writer=writer, states=states, _accepts=Batch(run=accept, most=_MOST)
    )


def _or_raise(accepted: Accepted) -> bool:
    if isinstance(accepted, Unavailable):
        raise Unavailable(str(accepted))
    return accepted


async def _accept(
    writer: TopicWriter,
    states: ClaimStates,
    outage: Outage,
    triggers: Sequence[Trigger],
) -> Sequence[Accepted]:
    first: dict[ScopedId, Trigger] = {}
    for each in triggers:
        first.setdefault((each.profile, each.id), each)
    asked = [*first.values()]
    are_new = await states.are_new(asked)
    new = [each for each, is_new in zip(asked, are_new, strict=True) if is_new]
    faults = await writer.publish(new)
    written = [each for each in new if (each.profile, each.id) not in faults]
    await _note(states, outage, written)
    return _answers(triggers, new, faults)


async def _note(
    states: ClaimStates, outage: Outage, written: Sequence[Trigger]
) -> None:
    if not written:
        return
    try:
        await states.accept(written)
    except Unavailable as fault:  # they are durable: to refuse them would repeat them
        outage.failed(str(fault))
    else:
        outage.ended()


def _answers(
    triggers: Sequence[Trigger],
    new: Sequence[Trigger],
    faults: Mapping[ScopedId, Unavailable],
) -> Sequence[Accepted]:
    unanswered = {(each.profile, each.id) for each in new}
    answers: list[Accepted] = []
    for each in triggers:
        id_ = (each.profile, each.id)
        answers.append(faults.get(id_, id_ in unanswered))
        unanswered.discard(id_)
    return answers
