"""Batches: messages made ready for SendMessageBatch, and packed into calls.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.dispatchers.sqs.action import QueueMessage
from keyrelay.model.outcome import Fault, Rejected

MOST = 10  # entries a call
LARGEST = 1024 * 1024  # bytes: of one message, and of all in a call together
SMALLEST_LIMIT = 1024  # bytes; no queue is set to take less

# The XML characters of SQS; surrogates, U+FFFE and U+FFFF are not among them.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Letters, digits and ASCII punctuation: for group and deduplication ids.
_ID = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEntry:
    """One message as SQS takes it. `fields` lack the id, which is the call's."""

    fields: Mapping[str, object]
    size: int


def prepare(message: QueueMessage, *, fifo: bool) -> BatchEntry | Rejected:
    """Make ready what SQS would take, and refuse what it would refuse.

    Attributes without a value are left out, for SQS has no empty ones. On a
    standard queue the group is only a hint for sharing fairly, so one that is not
    legal is left out there; the deduplication id is for FIFO queues alone, and the
    delay for standard ones.
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
    if entry.size <= largest:
        return None
    return Rejected(
        f"the message has {entry.size} bytes, the queue takes {largest}", Fault.TRIGGER
    )


def pack(sizes: Sequence[int]) -> list[range]:
    """Split entries, in their order, into calls of up to ten entries and 1 MiB.

    Returned are their positions; each entry by itself must fit.
    """
    calls: list[range] = []
    begin = total = 0
    for position, size in enumerate(sizes):
        if position - begin == MOST or total + size > LARGEST:
            calls.append(range(begin, position))
            begin, total = position, 0
        total += size
    return [*calls, range(begin, len(sizes))] if sizes else []


def _fifo_routing(message: QueueMessage) -> dict[str, object] | Rejected:
    group, repeatable = message.group_id, message.deduplication_id
    if group is None:
        return Rejected(
            "a FIFO queue needs a group; give the action a group_id", Fault.DEFINITION
        )
    if _ID.fullmatch(group) is None:
        return Rejected(
            "the group must be 1 to 128 ASCII letters, digits or punctuation",
            Fault.TRIGGER,
        )
    if not repeatable:
        # All messages with an empty one would be taken for one and the same.
        return Rejected("the deduplication id is empty", Fault.TRIGGER)
    if _ID.fullmatch(repeatable) is None:
        repeatable = hashlib.sha256(repeatable.encode("utf-8", "replace")).hexdigest()
    return {"MessageGroupId": group, "MessageDeduplicationId": repeatable}


def _standard_routing(message: QueueMessage) -> dict[str, object]:
    routing: dict[str, object] = {}
    if message.group_id is not None and _ID.fullmatch(message.group_id):
        routing["MessageGroupId"] = message.group_id
    if message.delay is not None:
        routing["DelaySeconds"] = message.delay // timedelta(seconds=1)
    return routing


def _size(body: str, attributes: Sequence[tuple[str, str]]) -> int:
    """Count bodies and attributes together: names, types and values, in UTF-8."""
    texts = [body]
    for name, text in attributes:
        texts += [name, "String", text]
    return sum(len(text.encode()) for text in texts)
