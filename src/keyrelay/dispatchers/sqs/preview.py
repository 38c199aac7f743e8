"""Preview: queue messages as they would be sent, for people."""

from collections.abc import Mapping
from datetime import timedelta

from keyrelay.dispatchers.sqs.batches import LARGEST, prepare, too_large
from keyrelay.dispatchers.sqs.instruction import QueueMessage, QueueMessages
from keyrelay.model.action import Message, MessagePreview
from keyrelay.model.outcome import Rejected

MOST_SHOWN = 10


def preview_messages(message: Message, *, fifo: bool) -> MessagePreview:
    """Return how many messages there are, the first of them, and which SQS refuses.

    A queue may take less than SQS does: which one it is stands in the secret.
    """
    assert isinstance(message, QueueMessages)
    refusals = list[str]()
    for each in message.messages:
        entry = prepare(each, fifo=fifo)
        refused = entry if isinstance(entry, Rejected) else too_large(entry, LARGEST)
        if refused is not None:
            refusals.append(f"message {each.part}: {refused.reason}")
    shown = message.messages[:MOST_SHOWN]
    return MessagePreview(
        document={
            "count": len(message.messages),
            "messages": [_document(each, fifo=fifo) for each in shown],
        },
        refusals=refusals,
    )


def _document(message: QueueMessage, *, fifo: bool) -> Mapping[str, object]:
    delay = message.delay
    return {
        "part": message.part,
        "body": message.body,
        "group_id": message.group_id,
        "deduplication_id": message.deduplication_id if fifo else None,
        "delay_seconds": None if delay is None else delay // timedelta(seconds=1),
        "attributes": dict(message.attributes),
    }
