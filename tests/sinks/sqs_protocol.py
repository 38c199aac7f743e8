"""SQS protocol: what a queue answers, apart from any socket.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from tests.sinks.temper import Mood

MOST = 10
LARGEST = 1024 * 1024
ACCOUNT = "000000000000"

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """`kept` are the names of the messages it takes responsibility for."""

    document: Document
    status: int = 200
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sqs:
    """Every queue exists, has no end, and remembers no duplicates."""

    origin: str
    mood: Mood
    _sequence: Iterator[int] = field(default_factory=lambda: count(1), init=False)

    def answer(self, target: str, request: Document) -> Answer:
        match target.removeprefix("AmazonSQS."), request:
            case "SendMessageBatch", {"QueueUrl": str(url), "Entries": list(entries)}:
                return self._send_batch(url, entries)
            case "SendMessage", {"QueueUrl": str(url)}:
                return self._send(url, request)
            case "GetQueueUrl", {"QueueName": str(name)}:
                return Answer({"QueueUrl": f"{self.origin}/{ACCOUNT}/{name}"})
            case "GetQueueAttributes", {"QueueUrl": str(url)}:
                return Answer({"Attributes": _attributes(url)})
            case _:
                return _refused("InvalidAction", f"no such call: {target}")

    def _send_batch(self, url: str, entries: Sequence[Document]) -> Answer:
        ids = Counter(str(entry.get("Id")) for entry in entries)
        if not entries:
            return _refused("EmptyBatchRequest", "there are no entries")
        if len(entries) > MOST:
            return _refused("TooManyEntriesInBatchRequest", f"at most {MOST} entries")
        if len(ids) < len(entries):
            return _refused("BatchEntryIdsNotDistinct", "an id stands twice")
        if sum(map(_size, entries)) > LARGEST:
            return _refused("BatchRequestTooLong", f"at most {LARGEST} bytes")
        successful: list[Document] = []
        failed: list[Document] = []
        kept: list[str] = []
        for entry in entries:
            fault = self._fault(url, entry)
            if fault is None:
                successful.append({"Id": entry["Id"], **self._taken(url, entry)})
                kept.append(_name(entry))
            else:
                failed.append({"Id": entry["Id"], **fault})
        document = {"Successful": successful, "Failed": failed}
        return Answer(document, kept=tuple(kept))

    def _send(self, url: str, message: Document) -> Answer:
        fault = self._fault(url, message)
        if fault is None:
            return Answer(self._taken(url, message), kept=(_name(message),))
        if fault["SenderFault"]:
            return _refused(str(fault["Code"]), str(fault["Message"]))
        return _refused("ServiceUnavailable", "try again", status=503)

    def _fault(self, url: str, message: Document) -> Document | None:
        fifo = {"MessageGroupId", "MessageDeduplicationId"}
        if url.endswith(".fifo") and not fifo <= set(message):
            return _sender_fault("MissingParameter", "a FIFO queue needs both ids")
        if not url.endswith(".fifo") and "MessageDeduplicationId" in message:
            return _sender_fault("InvalidParameterValue", "not a FIFO queue")
        if not message.get("MessageBody"):
            return _sender_fault("MissingParameter", "the body is empty")
        if _size(message) > LARGEST:
            return _sender_fault("InvalidParameterValue", "the message is too long")
        if self.mood.is_busy():
            return {"SenderFault": False, "Code": "InternalError", "Message": "busy"}
        return None

    def _taken(self, url: str, message: Document) -> dict[str, object]:
        taken: dict[str, object] = {
            "MessageId": str(uuid.UUID(int=next(self._sequence))),
            "MD5OfMessageBody": _md5(str(message["MessageBody"]).encode()),
        }
        attributes = message.get("MessageAttributes")
        if isinstance(attributes, dict) and attributes:
            taken["MD5OfMessageAttributes"] = _md5(_canonical(attributes))
        if url.endswith(".fifo"):
            taken["SequenceNumber"] = f"{next(self._sequence):020}"
        return taken


def encode(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _refused(code: str, message: str, status: int = 400) -> Answer:
    return Answer({"__type": f"com.amazonaws.sqs#{code}", "message": message}, status)


def _sender_fault(code: str, message: str) -> Document:
    return {"SenderFault": True, "Code": code, "Message": message}


def _attributes(url: str) -> Document:
    fifo = {"FifoQueue": "true"} if url.endswith(".fifo") else {}
    return {"MaximumMessageSize": str(LARGEST), **fifo}


def _name(message: Document) -> str:
    """Return what tells a repeat: the deduplication id, without one the body."""
    return str(message.get("MessageDeduplicationId") or message["MessageBody"])


def _size(message: Document) -> int:
    size = len(str(message.get("MessageBody", "")).encode())
    attributes = message.get("MessageAttributes")
    if isinstance(attributes, dict):
        # Without three lengths of four bytes and the byte for the type.
        size += len(_canonical(attributes)) - 13 * len(attributes)
    return size


def _canonical(attributes: Mapping[str, Mapping[str, str]]) -> bytes:
    """Return what an MD5 of attributes is made of, as the SDKs do it."""
    canonical = bytearray()
    for name in sorted(attributes):
        kind, value = attributes[name]["DataType"], attributes[name]["StringValue"]
        for text in (name, kind):
            canonical += len(text.encode()).to_bytes(4) + text.encode()
        canonical += b"\x01" + len(value.encode()).to_bytes(4) + value.encode()
    return bytes(canonical)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
