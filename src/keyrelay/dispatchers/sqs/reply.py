"""Replies: what SQS answered to a call, with the peer's texts scrubbed.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

Scrub = Callable[[object], str]

_MESSAGE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal of one entry or of a whole call.

    `by_sender` tells that the peer blames the request: SenderFault, or a 4xx status.
    `status` is the HTTP status of a refused call; an entry has none. `code` and
    `message` are scrubbed.
    """

    code: str
    message: str
    by_sender: bool
    status: int | None = None
    retry_after: timedelta | None = None

    @property
    def reason(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


@dataclass(frozen=True, slots=True)
class Enqueued:
    """SQS has the message, with this MessageId."""

    message_id: str


# By an entry's position in the call. Entries may be missing, and others may be there.
BatchReply = Mapping[int | None, Enqueued | Refusal]


def read_reply(answer: Mapping[str, Any], scrubbed: Scrub) -> BatchReply:
    """Read the answer of SendMessageBatch, as botocore parsed it."""
    reply: dict[int | None, Enqueued | Refusal] = {}
    for entry in _entries(answer, "Failed"):
        reply[read_number(entry.get("Id"))] = Refusal(
            code=scrubbed(entry.get("Code", "")),
            message=scrubbed(entry.get("Message", "")),
            by_sender=entry.get("SenderFault") is True,
        )
    for entry in _entries(answer, "Successful"):
        id_ = str(entry.get("MessageId", ""))
        id_ = id_ if _MESSAGE_ID.fullmatch(id_) else scrubbed(id_)
        reply[read_number(entry.get("Id"))] = Enqueued(id_)
    return reply


def _entries(answer: Mapping[str, Any], field_: str) -> list[Mapping[str, Any]]:
    return [entry for entry in answer.get(field_) or () if isinstance(entry, dict)]


def read_refusal(response: Mapping[str, Any], scrubbed: Scrub) -> Refusal:
    """Read the answer to a refused call, as botocore parsed it."""
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 500))
    retry_after = read_number(metadata.get("HTTPHeaders", {}).get("retry-after"))
    return Refusal(
        code=scrubbed(error.get("Code", "")),
        message=scrubbed(error.get("Message", "")),
        by_sender=400 <= status < 500,
        status=status,
        retry_after=None if retry_after is None else timedelta(seconds=retry_after),
    )


def read_number(text: object) -> int | None:
    """Return a number of up to nine digits, or None for anything else."""
    return int(str(text)) if _NUMBER.fullmatch(str(text)) else None
