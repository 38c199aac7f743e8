"""Sender: messages for one queue, sent in calls of SendMessageBatch.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Protocol, assert_never

from keyrelay.concurrency.batching import Batch
from keyrelay.dispatchers.sqs.batches import (
    LARGEST,
    MOST_ENTRIES,
    SMALLEST_LIMIT,
    BatchEntry,
    pack,
    prepare,
    too_large,
)
from keyrelay.dispatchers.sqs.classify import classify, may_concern_one_entry
from keyrelay.dispatchers.sqs.credentials import SqsCredentials
from keyrelay.dispatchers.sqs.http_session import ConnectionFailed, NoReply
from keyrelay.dispatchers.sqs.instruction import QueueMessage
from keyrelay.dispatchers.sqs.queue_url import QueueUrl
from keyrelay.dispatchers.sqs.reply import BatchReply, Enqueued, Refusal
from keyrelay.model.outcome import (
    LEASE_LOST,
    Blame,
    Deferred,
    Delivered,
    Outcome,
    Rejected,
    Uncertain,
)
from keyrelay.ports import StillHeld

_CALLS_AT_ONCE = 4  # one call without a reply delays a quarter of the queue's messages


class QueueClient(Protocol):
    """What a sender needs of a client of one queue."""

    async def send(
        self, entries: Sequence[BatchEntry], credentials: SqsCredentials
    ) -> BatchReply | Refusal:
        """Send up to ten entries in one call. Raises ConnectionFailed or NoReply."""

    async def largest_message(self, credentials: SqsCredentials) -> int | None:
        """Return the queue's limit in bytes, or None if it may not be read.

        Raises as `send`.
        """

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """The credentials that a caller opened, and how it asks for its lease."""

    credentials: SqsCredentials
    still_held: StillHeld | None = None

    async def may_send(self) -> bool:
        return self.still_held is None or await self.still_held()


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """An entry and its caller."""

    entry: BatchEntry
    caller: Caller


@dataclass(slots=True)
class QueueSender:
    """Sends concurrent callers' messages for one queue in calls of up to ten."""

    queue: QueueUrl
    client: QueueClient
    batch: Batch[PendingEntry, Outcome]
    _largest: int | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, message: QueueMessage, caller: Caller) -> Outcome:
        entry = prepare(message, fifo=self.queue.fifo)
        if isinstance(entry, Rejected):
            return entry
        if entry.size > SMALLEST_LIMIT:
            refused = too_large(entry, await self._limit(caller.credentials))
            if refused is not None:
                return refused
        return await self.batch.submit(PendingEntry(entry, caller))

    async def close(self) -> None:
        """Wait for calls under way, and close the client."""
        await self.batch.close()
        await self.client.close()

    async def _limit(self, credentials: SqsCredentials) -> int:
        async with self._reading:
            if self._largest is None:
                self._largest = await self._read_limit(credentials)
        return self._largest or LARGEST

    async def _read_limit(self, credentials: SqsCredentials) -> int | None:
        try:
            limit = await self.client.largest_message(credentials)
        except (ConnectionFailed, NoReply):
            return None  # the next message asks again
        return min(limit or LARGEST, LARGEST)


def queue_sender(queue: QueueUrl, client: QueueClient) -> QueueSender:
    """Return a sender whose client is used for one version of one secret."""
    run = BatchSender(client).run
    batch = Batch(run=run, most=MOST_ENTRIES, at_once=_CALLS_AT_ONCE)
    return QueueSender(queue, client, batch)


@dataclass(frozen=True, slots=True)
class BatchSender:
    """Sends entries that all belong to one version of one secret."""

    client: QueueClient

    async def run(self, pending: Sequence[PendingEntry]) -> list[Outcome]:
        """Return one outcome for each entry, in their order."""
        calls = pack([each.entry.size for each in pending])
        answers = await asyncio.gather(
            *(self._call([pending[n] for n in call]) for call in calls)
        )
        return [outcome for answer in answers for outcome in answer]

    async def _call(self, pending: Sequence[PendingEntry]) -> list[Outcome]:
        """Send the entries of those callers that still hold their trigger."""
        held = [await each.caller.may_send() for each in pending]
        if all(held):
            return await self._send(pending)
        sendable = [*compress(pending, held)]
        sent = iter(await self._send(sendable) if sendable else ())
        return [next(sent) if may_send else LEASE_LOST for may_send in held]

    async def _send(self, pending: Sequence[PendingEntry]) -> list[Outcome]:
        entries = [each.entry for each in pending]
        try:
            reply = await self.client.send(entries, pending[0].caller.credentials)
        except ConnectionFailed as failure:
            reason = f"nothing was sent: {failure}"
            return [Deferred(reason, blame=Blame.PEER) for _ in pending]
        except NoReply as failure:
            return [Uncertain(str(failure)) for _ in pending]
        if not isinstance(reply, Refusal):
            return [_outcome(reply.get(number)) for number in range(len(pending))]
        if len(pending) > 1 and may_concern_one_entry(reply):
            # One trigger's invalid message must not fail the others of the call.
            return [(await self._call([each]))[0] for each in pending]
        return [classify(reply) for _ in pending]


def _outcome(answer: Enqueued | Refusal | None) -> Outcome:
    match answer:
        case Enqueued(message_id):
            return Delivered(message_id)
        case Refusal():
            return classify(answer)
        case None:
            return Uncertain("the reply does not mention this message")
        case _:
            assert_never(answer)
