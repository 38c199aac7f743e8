"""Head: what the head of a request must be, beyond what the parser checks.

Whatever two readers could take for two different requests is refused: a proxy and this
server must see the same ones (request smuggling, RFC 9112 section 11.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

from keyrelay.api.border.limits import HeadLimits
from keyrelay.api.border.refusal import (
    COMPRESSED,
    BorderReason,
    BorderRefusal,
    RefusedAtBorder,
    bad_request,
)

Headers = Sequence[tuple[bytes, bytes]]

_PER_FIELD = len(": \r\n")
_CHUNKED, _ENCODING = [b"chunked"], b"content-encoding"


@dataclass(slots=True)
class HeadCount:
    """What a head holds so far. Each method raises RefusedAtBorder above a limit."""

    limits: HeadLimits
    target: int = 0
    size: int = 0
    fields: int = 0
    unparsed: int = 0  # bytes read while the head was incomplete

    def add_target(self, length: int) -> None:
        self.target += length
        if self.target > self.limits.target:
            raise RefusedAtBorder(
                BorderRefusal(
                    reason=BorderReason.TARGET_TOO_LONG,
                    status=HTTPStatus.REQUEST_URI_TOO_LONG,
                    message="the request's target is longer than"
                    f" {self.limits.target} bytes",
                )
            )

    def add_field(self, name: bytes, value: bytes) -> None:
        self.fields += 1
        self._grow(len(name) + len(value) + _PER_FIELD)
        if self.fields > self.limits.fields:
            raise _head_too_large(
                f"the request has more than {self.limits.fields} header fields"
            )

    def add_unparsed(self, length: int) -> None:
        """Count what was read, for the parser holds back a field until it is whole."""
        self.unparsed += length
        self._grow(0)

    def _grow(self, length: int) -> None:
        self.size += length
        if max(self.size, self.unparsed) > self.limits.size:
            raise _head_too_large(
                f"the request's head has more than {self.limits.size} bytes"
            )


def check_head(version: str, target: bytes, headers: Headers) -> None:
    """Raise RefusedAtBorder for a head that this server does not answer."""
    if version not in ("1.0", "1.1"):
        raise RefusedAtBorder(
            bad_request("HTTP/1.1 and HTTP/1.0 are spoken here, and no other version")
        )
    if not target.startswith(b"/") or b"#" in target:
        raise RefusedAtBorder(
            bad_request("the request's target must be a path, such as /secrets")
        )
    hosts = values_of(b"host", headers)
    if len(hosts) > 1 or (version == "1.1" and not hosts):
        # RFC 9112 section 3.2
        raise RefusedAtBorder(
            bad_request("the request must have exactly one Host header")
        )
    codings = values_of(b"transfer-encoding", headers)
    if codings and (version == "1.0" or [each.lower() for each in codings] != _CHUNKED):
        # RFC 9112 section 6.1
        raise RefusedAtBorder(
            bad_request("the one transfer coding is `chunked`, and in HTTP/1.1 alone")
        )
    if any(each.lower() != b"identity" for each in values_of(_ENCODING, headers)):
        raise RefusedAtBorder(COMPRESSED)


def values_of(name: bytes, headers: Headers) -> list[bytes]:
    """Return the values of the fields of that name, which is in lower case."""
    return [value.strip() for each, value in headers if each == name]


def announced(headers: Headers) -> int:
    """Return how long the body is said to be; the parser has checked the number."""
    lengths = values_of(b"content-length", headers)
    return int(lengths[0]) if lengths else 0


def refuse_upgrade() -> NoReturn:
    raise RefusedAtBorder(
        bad_request(
            "this server speaks HTTP/1.1 alone: send no Upgrade, and no CONNECT"
        )
    )


def refuse_trailer() -> NoReturn:
    # Read as headers they would join those that were already acted upon.
    raise _bad_head("trailer fields behind a body are not taken")


def _bad_head(message: str) -> RefusedAtBorder:
    return RefusedAtBorder(bad_request(message))


def _head_too_large(message: str) -> RefusedAtBorder:
    return RefusedAtBorder(
        BorderRefusal(
            reason=BorderReason.HEAD_TOO_LARGE,
            status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            message=message,
        )
    )
