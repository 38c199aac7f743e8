"""Unread answers: a client that reads too little is cut off, told by what it left.

How much of an answer the kernel takes differs; a transport of our own says it exactly.
"""

import asyncio
from dataclasses import dataclass, field

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from keyrelay.api.border.body import SharedBytes
from keyrelay.api.border.connections import Connections
from keyrelay.api.border.limits import BorderLimits
from keyrelay.api.border.protocol import Border
from keyrelay.api.border.requests import Crossing
from keyrelay.api.front import Event, Receive, Send
from tests.fakes import Pass

LIMITS = BorderLimits()
STALLED = LIMITS.connections.stalled.total_seconds()
LEAST = LIMITS.body.least
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@dataclass(slots=True, eq=False)
class Transport(asyncio.Transport):
    """Has `unread` bytes left of what was written."""

    unread: int = 0
    written: bytearray = field(default_factory=bytearray)
    is_closed: bool = False
    is_aborted: bool = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unread


async def answer(scope: Event, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"answer"})


@pytest.fixture
async def transport() -> Transport:
    return Transport()


@pytest.fixture
async def border(transport: Transport) -> Border:
    config = Config(answer, lifespan="off", ws="none", log_config=None)
    config.load()
    connections = Connections(LIMITS.connections)
    shared, state = SharedBytes(0), ServerState()
    crossing = Crossing(
        limits=LIMITS,
        connections=connections,
        shared=shared,
        config=config,
        state=state,
    )
    border = Border(crossing, None)
    border.connection_made(transport)
    return border


async def turns() -> None:
    """Let the event loop call what is due."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_client_that_reads_so_much_in_time_is_not_cut_off(
    border: Border, transport: Transport, passes: Pass
) -> None:
    transport.unread = 10 * LEAST
    border.pause_writing()

    for left in range(9, 0, -1):
        transport.unread = left * LEAST
        passes(STALLED)
        await turns()
        assert not transport.is_aborted
    transport.unread = 1
    passes(STALLED)
    await turns()
    assert transport.is_aborted


async def test_the_end_of_an_answer_that_is_not_read_is_cut_off(
    border: Border, transport: Transport, passes: Pass
) -> None:
    transport.unread = 100
    border.data_received(REQUEST)
    await turns()
    assert bytes(transport.written).endswith(b"answer\r\n0\r\n\r\n")
    assert transport.is_closed

    passes(0.9 * STALLED)
    await turns()
    assert not transport.is_aborted
    passes(0.1 * STALLED)
    await turns()
    assert transport.is_aborted


async def test_nothing_is_cut_off_of_what_is_read_again(
    border: Border, transport: Transport, passes: Pass
) -> None:
    transport.unread = 10 * LEAST
    border.pause_writing()
    transport.unread = 0
    border.resume_writing()

    for _ in range(2):
        passes(STALLED)
        await turns()
    assert not transport.is_aborted
