"""Batches: messages as entries of SendMessageBatch, packed into calls.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.dispatchers.sqs.instruction import QueueMessage
from keyrelay.model.outcome import Fault, Rejected

MOST_ENTRIES = 10  # in a call
LARGEST = 1024 * 1024  # bytes: of one message, and of a whole call
SMALLEST_LIMIT = 1024  # bytes; no queue can have a lower limit

# What is none of the characters that SQS takes.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Letters, digits and ASCII punctuation, for group and deduplication ids.
_ID = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEntry:
    """One message as SQS takes it.

    `fields` are the entry's members, without the id, which is unique in a call alone.
    `size` is in bytes.
    """

    fields: Mapping[str, object]
    size: int


def prepare(message: QueueMessage, *, fifo: bool) -> BatchEntry | Rejected:
    """Return the entry that SQS would take, or reject what it would refuse.

    Attributes without a value are left out, as SQS has no empty ones. The deduplication
    id is for FIFO queues alone, and the delay for standard ones. On a standard queue
    the group only makes sharing fair, so one that is not legal is left out there.
    """
    attributes = [(name, text) for name, text in message.attributes if text]
    texts = [message.body, *(text for _, text in attributes)]
    if not message.body:
        return Rejected("the message's body is empty", Fault.TRIGGER)
    if any(map(_ILLEGAL.search, texts)):
        return Rejected("the message holds characters that SQS refuses", Fault.TRIGGER)
    routing = _fifo_routing(message) if fifo else _standard_routing(message)
    if isinstance(routing, Rejected):
        return routing
    fields = {"MessageBody": message.body, **routing}
    if attributes:
        fields["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": text}
            for name, text in attributes
        }
    return BatchEntry(fields=fields, size=_size(message.body, attributes))


def too_large(entry: BatchEntry, largest: int) -> Rejected | None:
    """Reject an entry of more than `largest` bytes."""
    if entry.size <= largest:
        return None
    return Rejected(
        f"the message has {entry.size} bytes, the queue takes {largest}", Fault.TRIGGER
    )


def pack(sizes: Sequence[int]) -> list[range]:
    """Split entries, in their order, into calls of up to ten entries and 1 MiB.

    `sizes` are in bytes, and each entry must fit into a call by itself. Returned are
    the positions of each call's entries.
    """
    calls: list[range] = []
    begin = total = 0
    for position, size in enumerate(sizes):
        if position - begin == MOST_ENTRIES or total + size > LARGEST:
            calls.append(range(begin, position))
            begin, total = position, 0
        total += size
    return [*calls, range(begin, len(sizes))] if sizes else []


def _fifo_routing(message: QueueMessage) -> dict[str, object] | Rejected:
    group, id_ = message.group_id, message.deduplication_id
    if group is None:
        return Rejected(
            "a FIFO queue needs a group; give the action a group_id", Fault.DEFINITION
        )
    if _ID.fullmatch(group) is None:
        return Rejected(
            "the group must be 1 to 128 ASCII letters, digits or punctuation",
            Fault.TRIGGER,
        )
    if not id_:
        # SQS would drop all messages with an empty id but the first.
        return Rejected("the deduplication id is empty", Fault.TRIGGER)
    if _ID.fullmatch(id_) is None:
        id_ = hashlib.sha256(id_.encode("utf-8", "replace")).hexdigest()
    return {"MessageGroupId": group, "MessageDeduplicationId": id_}


def _standard_routing(message: QueueMessage) -> dict[str, object]:
    routing: dict[str, object] = {}
    if message.group_id is not None and _ID.fullmatch(message.group_id):
        routing["MessageGroupId"] = message.group_id
    if message.delay is not None:
        routing["DelaySeconds"] = message.delay // timedelta(seconds=1)
    return routing


def _size(body: str, attributes: Sequence[tuple[str, str]]) -> int:
    """Return the bytes that SQS counts: body, attributes' names, types and values."""
    texts = [body]
    for name, text in attributes:
        texts += [name, "String", text]
    return sum(len(text.encode()) for text in texts)
