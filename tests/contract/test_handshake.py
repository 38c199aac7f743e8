"""Handshakes: whatever becomes of one, nothing of it is left, over real sockets."""

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest
import trustme
from uvicorn.config import Config
from uvicorn.server import ServerState

from keyrelay.api.border.body import SharedBytes
from keyrelay.api.border.connections import Connections
from keyrelay.api.border.handshake import Handshake
from keyrelay.api.border.limits import BorderLimits, ConnectionLimits
from keyrelay.api.border.requests import Crossing
from keyrelay.api.listening import Listening
from keyrelay.api.server import serve
from tests.contract.border_peer import Application

PATIENCE = 5.0  # seconds; a handshake has more


@dataclass(frozen=True, slots=True)
class Server:
    """`tasks` are the handshakes under way."""

    crossing: Crossing
    context: ssl.SSLContext
    tasks: set[asyncio.Task[None]]
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def crossing(connections: ConnectionLimits) -> Crossing:
    config = Config(Application(), lifespan="off", ws="none", log_config=None)
    config.load()
    return Crossing(
        limits=BorderLimits(connections=connections),
        connections=Connections(connections),
        shared=SharedBytes(0),
        config=config,
        state=ServerState(),
    )


@asynccontextmanager
async def shaking(
    context: ssl.SSLContext, limits: ConnectionLimits
) -> AsyncIterator[Server]:
    crossed, tasks = crossing(limits), set[asyncio.Task[None]]()
    server = await asyncio.get_running_loop().create_server(
        partial(Handshake, crossed, context, tasks), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    yield Server(crossed, context, tasks, port)
    server.close()


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE) is not None
    except ConnectionResetError:
        return True


async def test_nothing_is_left_of_a_handshake_that_fails(
    context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with shaking(context, ConnectionLimits()) as server:
        for _ in range(3):
            reader, writer = await server.connect()
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await is_closed(reader)
            writer.close()
        if server.tasks:
            await asyncio.wait(server.tasks)
            await asyncio.sleep(0)  # what is called when they are done

    assert not server.tasks
    assert not server.crossing.connections.admitted
    gc.collect()  # a task whose error no one saw is told then
    assert caplog.text == ""


async def test_a_handshake_that_has_not_begun_makes_room_and_is_closed(
    context: ssl.SSLContext,
) -> None:
    async with shaking(context, ConnectionLimits(in_all=1)) as server:
        # Both are accepted at once, for the event loop has not run meanwhile.
        address = ("127.0.0.1", server.port)
        first, second = (socket.create_connection(address) for _ in range(2))
        reader, writer = await asyncio.open_connection(sock=first)

        assert await is_closed(reader)
        assert len(server.crossing.connections.admitted) == 1
        writer.close()
        second.close()
        await asyncio.wait(server.tasks)


async def test_nothing_is_kept_of_a_connection_whose_handshake_is_refused(
    context: ssl.SSLContext,
) -> None:
    async with shaking(context, ConnectionLimits(per_address=1)) as server:
        _, silent = await server.connect()
        reader, writer = await server.connect()

        assert await is_closed(reader)
        assert not server.crossing.connections.refusals.unread
        silent.close()
        writer.close()
        await asyncio.wait(server.tasks)


@dataclass(slots=True)
class GoneTransport:
    """What an event loop may hand over: its socket is closed already."""

    closed: socket.socket

    def get_extra_info(self, name: str) -> socket.socket | None:
        return self.closed if name == "socket" else None

    def abort(self) -> None:
        """It is gone."""


async def test_a_client_that_is_gone_before_its_handshake_has_no_place(
    context: ssl.SSLContext,
) -> None:
    crossed, tasks = crossing(ConnectionLimits()), set[asyncio.Task[None]]()
    gone = socket.socket()
    gone.close()

    transport = GoneTransport(gone)
    Handshake(crossed, context, tasks).connection_made(transport)  # type: ignore[arg-type]

    assert not tasks
    assert not crossed.connections.admitted


async def test_handshakes_under_way_end_with_the_server(
    context: ssl.SSLContext,
) -> None:
    limits = BorderLimits(connections=ConnectionLimits(per_address=1))
    place = Listening(host="127.0.0.1", port=0, tls=context, limits=limits)
    async with serve(Application(), place, asyncio.Event()) as url:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        refused, other = await asyncio.open_connection("127.0.0.1", port)
        assert await is_closed(refused)  # so that the first one is under way

    assert await is_closed(reader)
    writer.close()
    other.close()
