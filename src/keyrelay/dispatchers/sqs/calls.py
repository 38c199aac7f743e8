"""Calls: entries on their way to one queue, and what became of each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

from keyrelay.dispatchers.scrub import scrub
from keyrelay.dispatchers.sqs.batches import BatchEntry, pack
from keyrelay.dispatchers.sqs.classify import Refusal, classify, may_be_about_one
from keyrelay.dispatchers.sqs.client import Reply, Taken
from keyrelay.dispatchers.sqs.credentials import SqsCredentials
from keyrelay.dispatchers.sqs.wire import Unanswered, Unsent
from keyrelay.model.outcome import Blame, Deferred, Delivered, Outcome, Uncertain


class QueueClient(Protocol):
    async def send(
        self, entries: Sequence[BatchEntry], credentials: SqsCredentials
    ) -> Reply | Refusal:
        """Send in one call. Raises Unsent or Unanswered."""

    async def largest_message(self, credentials: SqsCredentials) -> int | None:
        """Return the queue's own limit; None, it may not be read. Raises as `send`."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sending:
    """An entry, and the key of whoever sends it."""

    entry: BatchEntry
    credentials: SqsCredentials


@dataclass(frozen=True, slots=True)
class Calls:
    """All that it is given belongs to one version of one secret."""

    client: QueueClient

    async def run(self, sendings: Sequence[Sending]) -> list[Outcome]:
        """Return one outcome for each, in their order."""
        calls = pack([sending.entry.size for sending in sendings])
        answers = await asyncio.gather(
            *(self._call([sendings[n] for n in call]) for call in calls)
        )
        return [outcome for answer in answers for outcome in answer]

    async def _call(self, sendings: Sequence[Sending]) -> list[Outcome]:
        entries = [sending.entry for sending in sendings]
        try:
            reply = await self.client.send(entries, sendings[0].credentials)
        except Unsent as fault:
            # A certificate's words are the peer's.
            reason = scrub(f"nothing was sent: {fault}", ())
            waits = Deferred(reason, blame=Blame.PEER)
            return [waits for _ in sendings]
        except Unanswered as fault:
            return [Uncertain(str(fault)) for _ in sendings]
        if not isinstance(reply, Refusal):
            return [_outcome(reply.get(number)) for number in range(len(sendings))]
        if len(sendings) > 1 and may_be_about_one(reply):
            # One trigger's nonsense must not cost its neighbours in the call.
            return [(await self._call([sending]))[0] for sending in sendings]
        return [classify(reply) for _ in sendings]


def _outcome(answer: Taken | Refusal | None) -> Outcome:
    match answer:
        case Taken(message_id):
            return Delivered(message_id)
        case Refusal():
            return classify(answer)
        case None:
            return Uncertain("the reply does not mention this message")
        case _:
            assert_never(answer)
