"""The way out of a sandbox: bytes pass both ways, for a bounded number at a time."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keyrelay.dispatchers.script.forwarding import forwarding

HOST = "127.0.0.1"
MOST = 32
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def a_way_out() -> AsyncIterator[int]:
    """Forward to a server that sends everything back, at its client's end."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(await reader.read())
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    port = server.sockets[0].getsockname()[1]

    async def dial() -> Connection:
        return await asyncio.open_connection(HOST, port)

    listener = socket.create_server((HOST, 0))
    inside = listener.getsockname()[1]
    async with server, forwarding(listener, dial):
        yield inside


async def test_all_bytes_pass_both_ways_to_the_end() -> None:
    sent = bytes(range(256)) * 4_096
    async with a_way_out() as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(sent)
        writer.write_eof()

        assert await reader.read() == sent
        writer.close()


async def test_one_connection_too_many_is_closed_and_the_others_go_on() -> None:
    async with a_way_out() as port:
        opened = [await asyncio.open_connection(HOST, port) for _ in range(MOST)]
        for _, writer in opened:
            writer.write(b"x")
            await writer.drain()
        reader, late = await asyncio.open_connection(HOST, port)

        assert await reader.read() == b""
        late.close()
        for reader, writer in opened:
            writer.write_eof()
            assert await reader.read() == b"x"
            writer.close()


async def test_what_is_open_at_the_end_is_closed() -> None:
    async with a_way_out() as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"x")
        await writer.drain()

    assert await reader.read() == b""
    writer.close()


async def test_a_peer_that_resets_ends_its_own_connection_alone() -> None:
    async with a_way_out() as port:
        with socket.create_connection((HOST, port)) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write_eof()

        assert await reader.read() == b""
        writer.close()
