"""HTTP session: sends signed requests, and tells an unsent one from an unanswered one.

aiobotocore's own session cannot be used: it follows redirects to any host, takes
proxies and trust anchors from the environment, and reports a connection that was reset
after the request as one that was never made.
"""

import errno
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractCookieJar
from yarl import URL

from keyrelay.network.egress import Egress

_UNCONNECTED = (
    aiohttp.ClientConnectorError,  # name, route, address, TLS
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)
_KEEPALIVE = 12.0  # seconds; SQS keeps an idle connection for longer
_CONNECTIONS = 16


class ConnectionFailed(Exception):
    """There was no connection, so nothing was sent to the peer."""


class NoReply(Exception):
    """The request may have been sent, and no complete reply came."""


class Request(Protocol):
    """A request that botocore has prepared and signed."""

    @property
    def method(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str | bytes]: ...

    @property
    def body(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """A reply with the members that botocore's parser reads."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Awaitable[bytes]:
        return self._content()

    async def _content(self) -> bytes:
        return self.body


@dataclass(frozen=True, slots=True)
class HttpSession:
    """Has the methods of aiobotocore's HTTP session that its client calls."""

    session: aiohttp.ClientSession

    async def __aenter__(self) -> "HttpSession":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.session.close()

    async def send(self, request: Request) -> HttpReply:
        """Send once, following no redirect. Raises ConnectionFailed or NoReply."""
        try:
            async with self.session.request(
                request.method,
                URL(request.url, encoded=True),
                headers={name: _text(text) for name, text in request.headers.items()},
                data=request.body,
                # A redirect would send the messages to a host that was not checked.
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except _UNCONNECTED as error:
            raise ConnectionFailed(_reason(error)) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoReply(f"no reply came: {type(error).__name__}") from None
        return HttpReply(
            status_code=response.status, headers=response.headers, body=body
        )


def open_http_session(
    egress: Egress | None, tls: ssl.SSLContext, timeout: timedelta
) -> HttpSession:
    """Return a session; None as `egress` permits all addresses.

    `timeout` bounds a request with its reply, and a quarter of it the connection.
    """
    connector = aiohttp.TCPConnector(
        ssl=tls,
        limit=_CONNECTIONS,
        keepalive_timeout=_KEEPALIVE,
        socket_factory=None if egress is None else _only_to(egress),
    )
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(
            # Shorter than the whole: if this one ends first, nothing was sent.
            connect=(timeout / 4).total_seconds(),
            total=timeout.total_seconds(),
        ),
        cookie_jar=_no_cookies(),
        skip_auto_headers={"Content-Type", "User-Agent"},
        auto_decompress=False,
    )
    return HttpSession(session)


def _no_cookies() -> AbstractCookieJar:
    return aiohttp.DummyCookieJar()


def _only_to(egress: Egress) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """Check the very address that is connected to, when its socket is created.

    A check of the name would resolve it once more than the connection does, and the
    answers may differ (DNS rebinding).
    """

    def open_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not egress.permits(str(address[0])):
            reason = (
                f"{address[0]} is not a public address;"
                " KEYRELAY_EGRESS_ALLOW allows networks by name"
            )
            raise OSError(errno.EACCES, reason)
        return socket.socket(family, kind, protocol)

    return open_socket


def _reason(error: Exception) -> str:
    """Say why there was no connection, in words of ours or of this machine's."""
    match error:
        case aiohttp.ClientConnectorCertificateError(
            certificate_error=ssl.SSLCertVerificationError() as refused
        ):
            return f"the server's certificate was refused: {refused.verify_message}"
        case aiohttp.ClientConnectorDNSError():
            return "the host of queue_url was not resolved"
        case aiohttp.ClientConnectorError():
            why = error.os_error.strerror or type(error.os_error).__name__
            return f"the host of queue_url was not reached: {why}"
        case _:
            return f"the host of queue_url was not reached: {type(error).__name__}"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
