"""SQS protocol: what a queue answers, apart from any socket.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""

import hashlib
import hmac
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

MOST = 10
LARGEST = 1024 * 1024
ACCOUNT = "000000000000"
CONTENT_TYPE = "application/x-amz-json-1.0"

Document = Mapping[str, object]
# Tells what is wrong with a message, as `failed` has it; None, it is taken.
Script = Callable[[Document], Document | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """`kept` are the names of the messages it takes responsibility for."""

    document: Document
    status: int = 200
    kept: tuple[str, ...] = ()


def no_script(_: Document) -> None:
    """Take every message that is as it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sqs:
    """Every queue exists, has no end, and remembers no duplicates.

    `limit` is what a queue says of its largest message.
    """

    origin: str
    script: Script = no_script
    limit: int = LARGEST
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
                fifo = {"FifoQueue": "true"} if url.endswith(".fifo") else {}
                limit = {"MaximumMessageSize": str(self.limit)}
                return Answer({"Attributes": {**limit, **fifo}})
            case _:
                return refused("InvalidAction", f"no such call: {target}")

    def _send_batch(self, url: str, entries: Sequence[Document]) -> Answer:
        ids = Counter(str(entry.get("Id")) for entry in entries)
        if not entries:
            return refused("EmptyBatchRequest", "there are no entries")
        if len(entries) > MOST:
            return refused("TooManyEntriesInBatchRequest", f"at most {MOST} entries")
        if len(ids) < len(entries):
            return refused("BatchEntryIdsNotDistinct", "an id stands twice")
        if sum(map(_size, entries)) > LARGEST:
            return refused("BatchRequestTooLong", f"at most {LARGEST} bytes")
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
            return refused(str(fault["Code"]), str(fault["Message"]))
        return refused("ServiceUnavailable", "try again", status=503)

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
        return self.script(message)

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


def refused(code: str, message: str, status: int = 400) -> Answer:
    """Return the answer to a call that is refused as a whole."""
    return Answer({"__type": f"com.amazonaws.sqs#{code}", "message": message}, status)


def failed(code: str, message: str, *, by_sender: bool) -> Document:
    """Return what stands in an answer for one message that failed."""
    return {"SenderFault": by_sender, "Code": code, "Message": message}


def is_signed(
    method: str, path: str, headers: Mapping[str, str], body: bytes, key: str
) -> bool:
    """Check the signature of a request as AWS does (Signature Version 4)."""
    scheme, _, rest = headers["Authorization"].partition(" ")
    given = dict(part.strip().split("=", 1) for part in rest.split(","))
    scope = given["Credential"].partition("/")[2]
    names = given["SignedHeaders"]
    signed = "".join(
        f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";")
    )
    content = hashlib.sha256(body).hexdigest()
    canonical = "\n".join([method, path, "", signed, names, content])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join([scheme, headers["X-Amz-Date"], scope, digest])
    signing = f"AWS4{key}".encode()
    for part in [*scope.split("/"), text]:
        signing = hmac.digest(signing, part.encode(), "sha256")
    return hmac.compare_digest(signing.hex(), given["Signature"])


def _sender_fault(code: str, message: str) -> Document:
    return failed(code, message, by_sender=True)


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
