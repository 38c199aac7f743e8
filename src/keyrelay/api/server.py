"""Server: the API's listening socket, from binding it to its last answer.

It runs in the event loop that is there, beside a worker or alone, and minds no signal:
its caller sets `stop`.
"""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate
from errno import EADDRINUSE, errorcode
from functools import partial

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from keyrelay.api.border.body import SharedBytes
from keyrelay.api.border.connections import Connections, Refusals
from keyrelay.api.border.handshake import Handshake
from keyrelay.api.border.protocol import Border
from keyrelay.api.border.requests import Crossing
from keyrelay.api.front import Application, Front
from keyrelay.api.listening import Listening
from keyrelay.concurrency.background import background
from keyrelay.ports import Unavailable

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_BACKLOG = 1024  # connections that the kernel holds before they are accepted
_CUT_OFF_WITHIN = 1.0  # seconds
_UNGUESSED = (b"x-content-type-options", b"nosniff")  # by no browser


@asynccontextmanager
async def serve(
    application: Application,
    listening: Listening,
    stop: asyncio.Event,
    refusals: Refusals | None = None,
) -> AsyncIterator[str]:
    """Serve the ASGI `application`; yield the URL at which it listens.

    When `stop` is set, or the block ends, no new connection is taken, event streams
    end, and requests under way are answered, for up to the grace. What is then left is
    cut off. `stop` is set at the end of the block at the latest. `refusals` counts what
    the border refuses.

    Raises Unavailable if the address cannot be had.
    """
    front = Front(application, listening.trusted, stop)
    site = await _open(_crossing(front, listening, refusals or Refusals()), listening)
    async with background(site.keep_date()):
        closing = asyncio.ensure_future(site.close_after(stop))
        try:
            yield site.url
        finally:
            stop.set()
            await closing


@dataclass(slots=True)
class Site:
    """A listening server; `handshakes` are under way on connections with TLS."""

    listening: Listening
    crossing: Crossing
    server: asyncio.Server
    handshakes: set[asyncio.Task[None]]

    @property
    def url(self) -> str:
        return self.listening.url(self.server.sockets[0].getsockname()[1])

    async def keep_date(self) -> None:
        """RFC 9110 section 6.6.1: every answer has its time, in seconds."""
        while True:
            self.crossing.state.default_headers = _headers()
            await asyncio.sleep(1)

    async def close_after(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.server.close()
        for handshake in self.handshakes:
            asyncio.get_running_loop().call_soon(handshake.cancel)
        loop, state = asyncio.get_running_loop(), self.crossing.state
        end = loop.time() + self.listening.grace.total_seconds()
        closed = self.crossing.closed = loop.create_future()
        for connection in tuple(state.connections):
            connection.shutdown()
        self.crossing.lost()
        await asyncio.wait({closed}, timeout=end - loop.time())
        # Those are among them whose clients did not wait for the answer.
        left = {*state.tasks}
        if left:
            _, left = await asyncio.wait(left, timeout=max(0, end - loop.time()))
        await self._cut_off(left, closed)

    async def _cut_off(
        self, left: set[asyncio.Task[None]], closed: asyncio.Future[None]
    ) -> None:
        if left:
            log.warning("requests cut off", count=len(left))
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=_CUT_OFF_WITHIN)
        for connection in tuple(self.crossing.state.connections):
            connection.transport.abort()
        await asyncio.wait({closed}, timeout=_CUT_OFF_WITHIN)


async def _open(crossing: Crossing, listening: Listening) -> Site:
    handshakes: set[asyncio.Task[None]] = set()
    context = listening.tls
    if context is None:
        connected: Callable[[], asyncio.Protocol] = partial(Border, crossing, None)
    else:
        connected = partial(Handshake, crossing, context, handshakes)
    try:
        server = await asyncio.get_running_loop().create_server(
            connected, listening.host, listening.port, backlog=_BACKLOG
        )
    except OSError as error:
        raise Unavailable(_sentence(listening, error)) from None
    return Site(listening, crossing, server, handshakes)


def _crossing(front: Front, listening: Listening, refusals: Refusals) -> Crossing:
    config = Config(
        front,
        http=HttpToolsProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,  # a query may hold a token
        proxy_headers=False,
        server_header=False,
    )
    config.load()
    limits = listening.limits
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY:
        limits = replace(limits, connections=limits.connections.within_files(files))
    state = ServerState()
    state.default_headers = _headers()
    connections = Connections(limits.connections, listening.trusted, refusals)
    return Crossing(
        limits=limits,
        connections=connections,
        shared=SharedBytes(limits.body.shared),
        config=config,
        state=state,
    )


def _headers() -> list[tuple[bytes, bytes]]:
    """Return what every answer has, the border's own too."""
    return [(b"date", formatdate(usegmt=True).encode()), _UNGUESSED]


def _sentence(listening: Listening, error: OSError) -> str:
    if error.errno == EADDRINUSE:
        reason = "it is taken"
    else:  # the event loop's own words are longer; gaierror has others
        number = error.errno if error.errno in errorcode else None
        reason = str(error.strerror) if number is None else os.strerror(number).lower()
    return (
        f"the API cannot be served at {listening.url(listening.port)}: {reason};"
        " name another address in the setting `api` (KEYRELAY_API), or `off`"
    )
