"""Refusal: the answer to what is refused before the application sees it.

It has the form of the API's own failures, quotes nothing of the request, and ends the
connection.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

JSON_CONTENT = (b"content-type", b"application/json")
UNCACHED = (b"cache-control", b"no-store")  # RFC 9111 section 5.2.2.5


class BorderReason(StrEnum):
    """Why something is refused here, in a word."""

    MALFORMED = "malformed"
    COMPRESSED = "compressed"
    TARGET_TOO_LONG = "target_too_long"
    HEAD_TOO_LARGE = "head_too_large"
    HEAD_TOO_LATE = "head_too_late"
    BODY_TOO_LARGE = "body_too_large"
    BODY_TOO_SLOW = "body_too_slow"
    BODIES_TOO_LARGE = "bodies_too_large"  # together
    SENT_AHEAD = "sent_ahead"
    ONE_ADDRESS = "one_address"
    CONNECTIONS = "connections"


@dataclass(frozen=True, slots=True, kw_only=True)
class BorderRefusal:
    """`retry_after` are seconds, where waiting helps."""

    reason: BorderReason
    status: HTTPStatus
    message: str
    retry_after: int | None = None

    def encoded(self, beside: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
        """Return the whole HTTP/1.1 response, with the headers `beside` its own."""
        body = envelope(self.message)
        headers = [*beside, UNCACHED, JSON_CONTENT]
        headers.append((b"content-length", str(len(body)).encode()))
        headers.append((b"connection", b"close"))
        if self.retry_after is not None:
            headers.append((b"retry-after", str(self.retry_after).encode()))
        status = f"HTTP/1.1 {self.status.value} {self.status.phrase}".encode()
        lines = (status, *(name + b": " + value for name, value in headers))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


class RefusedAtBorder(Exception):
    """Raised in the parser's callbacks, which it stops; `refusal` is the answer."""

    def __init__(self, refusal: BorderRefusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def envelope(message: str) -> bytes:
    """Return the JSON of a failure."""
    return json.dumps({"status": False, "message": message}).encode()


def bad_request(message: str) -> BorderRefusal:
    return BorderRefusal(
        reason=BorderReason.MALFORMED, status=HTTPStatus.BAD_REQUEST, message=message
    )


MALFORMED = bad_request("this is no valid HTTP/1.1 request")
COMPRESSED = BorderRefusal(
    reason=BorderReason.COMPRESSED,
    status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    message="compressed bodies are not taken; send it without Content-Encoding",
)
LATE_HEAD = BorderRefusal(
    reason=BorderReason.HEAD_TOO_LATE,
    status=HTTPStatus.REQUEST_TIMEOUT,
    message="the request's head did not arrive in time; send it at once",
)
SLOW_BODY = BorderRefusal(
    reason=BorderReason.BODY_TOO_SLOW,
    status=HTTPStatus.REQUEST_TIMEOUT,
    message="the request's body came too slowly; send it without pauses",
)
PIPELINED = BorderRefusal(
    reason=BorderReason.SENT_AHEAD,
    status=HTTPStatus.TOO_MANY_REQUESTS,
    message="too many requests were sent ahead on one connection; wait for answers",
)
FROM_ONE_ADDRESS = BorderRefusal(
    reason=BorderReason.ONE_ADDRESS,
    status=HTTPStatus.TOO_MANY_REQUESTS,
    message="too many connections from one address; use fewer, or close some",
    retry_after=1,
)
FULL = BorderRefusal(
    reason=BorderReason.CONNECTIONS,
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    message="too many connections; try again",
    retry_after=1,
)
HOLDS_TOO_MUCH = BorderRefusal(
    reason=BorderReason.BODIES_TOO_LARGE,
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    message="too many large requests are under way; try again",
    retry_after=1,
)
