"""Wire: how a signed request goes out, and what is known when no reply comes back.

aiobotocore's own session cannot be used: it follows redirects to wherever they
lead, takes proxies and trust anchors from the environment, and reports a connection
reset after the request as one that was never made.
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
_KEEPALIVE = 12.0  # seconds; shorter than SQS keeps an idle connection
_CONNECTIONS = 16


class Unsent(Exception):
    """There was no connection: the peer has nothing."""


class Unanswered(Exception):
    """The request may have gone out, and no whole reply came back."""


class Request(Protocol):
    """What botocore has prepared and signed."""

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
    """In the shape that botocore parses."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Awaitable[bytes]:
        return self._content()

    async def _content(self) -> bytes:
        return self.body


@dataclass(frozen=True, slots=True)
class Wire:
    """In the shape of aiobotocore's HTTP session."""

    session: aiohttp.ClientSession

    async def __aenter__(self) -> "Wire":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.session.close()

    async def send(self, request: Request) -> HttpReply:
        """Raises Unsent or Unanswered."""
        try:
            async with self.session.request(
                request.method,
                URL(request.url, encoded=True),
                headers={name: _text(text) for name, text in request.headers.items()},
                data=request.body,
                # A redirect would carry the messages to a host that nobody checked.
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except _UNCONNECTED as fault:
            raise Unsent(str(fault)) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            raise Unanswered(f"no reply came: {type(fault).__name__}") from None
        return HttpReply(
            status_code=response.status, headers=response.headers, body=body
        )


def open_wire(egress: Egress | None, tls: ssl.SSLContext, patience: timedelta) -> Wire:
    """Without an egress every address is permitted: the operator named the host.

    `patience` is how long a call may take, and a quarter of it the connection.
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
            # In time to tell the one from the other: unconnected, nothing was sent.
            connect=(patience / 4).total_seconds(),
            total=patience.total_seconds(),
        ),
        cookie_jar=_no_cookies(),
        skip_auto_headers={"Content-Type", "User-Agent"},
        auto_decompress=False,
    )
    return Wire(session)


def _no_cookies() -> AbstractCookieJar:
    return aiohttp.DummyCookieJar()


def _only_to(egress: Egress) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """Ask at the last moment, about the very address that is connected to.

    A check of the name would resolve it once more than the connection does, and
    an answer may differ from the one before (DNS rebinding).
    """

    def open_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not egress.permits(str(address[0])):
            reason = f"{address[0]} is not public; KEYRELAY_EGRESS_ALLOW allows more"
            raise OSError(errno.EACCES, reason)
        return socket.socket(family, kind, protocol)

    return open_socket


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
