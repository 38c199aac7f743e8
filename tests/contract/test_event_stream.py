"""Event streams over real sockets: told at once, and cut off where nothing is read."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from starlette.types import Receive, Scope, Send

from keyrelay.api.event_stream import EventStream, encoded
from keyrelay.api.listening import Listening
from keyrelay.api.server import serve
from keyrelay.model.cursor import Cursor
from keyrelay.model.token import AccessLevel, Token, TokenKind, TokenRights
from keyrelay.ports import Unavailable
from keyrelay.services.events.documents import Event, EventChannel
from keyrelay.services.events.listeners import (
    Handed,
    Listener,
    Listeners,
    StreamLimits,
)
from tests.samples import NOON, PROFILE

PATIENCE = 10.0  # seconds; the grace of a stop, and the wait for a reader, are longer
LOCAL = Listening(host="127.0.0.1", port=0, grace=timedelta(minutes=5))
REQUEST = b"GET /events HTTP/1.1\r\nHost: api\r\n\r\n"
TOKEN = Token(
    id="1" * 24,
    profile=PROFILE,
    name="ci",
    rights=TokenRights(kind=TokenKind.PROFILE, level=AccessLevel.READ),
    prefix="p-",
    expires_at=None,
)
PLACE = Cursor(NOON, "2" * 24)
FIRST = Event(channel=EventChannel.ATTEMPTS, data=b'{"n":1}', place=PLACE)
SECOND = Event(channel=EventChannel.SECRETS, data=b'{"n":2}')
LARGE = Event(channel=EventChannel.SECRETS, data=bytes(100_000))


@dataclass(slots=True)
class Application:
    """One stream; `left` is set once its listener has left."""

    missed: AsyncIterator[Sequence[Event]] | None = None
    listeners: Listeners = field(
        default_factory=lambda: Listeners(limits=StreamLimits(in_all=1, of_a_profile=1))
    )
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    listener: Listener = field(init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.listener = self.listeners.add(TOKEN, frozenset(EventChannel))
        self.begun.set()
        stream = EventStream(
            listener=self.listener, leave=self.leave, missed=self.missed
        )
        await stream(scope, receive, send)

    def leave(self) -> None:
        self.listeners.remove(self.listener)
        self.left.set()

    async def fill(self) -> None:
        """Tell it more than it reads, until it waits for its client."""
        loop = asyncio.get_running_loop()
        taken_at = loop.time()
        while loop.time() - taken_at < 0.5:
            if not self.listener._waiting.events:
                self.listener.tell(LARGE)
                taken_at = loop.time()
            await asyncio.wait({asyncio.ensure_future(self.left.wait())}, timeout=0.01)


@dataclass(frozen=True, slots=True)
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def until(self, text: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(text)


@asynccontextmanager
async def following(
    application: Application, stop: asyncio.Event
) -> AsyncIterator[Client]:
    """Serve the stream, and follow it with a client that reads when it is told to.

    Its connection is open until the server has stopped.
    """
    async with AsyncExitStack() as opened, serve(application, LOCAL, stop) as url:
        small = opened.enter_context(socket.socket())
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.setblocking(False)  # noqa: FBT003 - its name in the standard library
        port = int(url.rpartition(":")[2])
        await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=small, limit=1024)
        opened.callback(writer.close)
        writer.write(REQUEST)
        await application.begun.wait()
        yield Client(reader, writer)


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE):
        await event.wait()


@pytest.fixture
def stop() -> asyncio.Event:
    return asyncio.Event()


def test_a_message_has_its_place_as_its_id() -> None:
    assert encoded(FIRST) == b'id: %s\ndata: {"n":1}\n\n' % str(PLACE).encode()
    assert encoded(SECOND) == b'data: {"n":2}\n\n'


async def test_what_was_missed_comes_first_and_then_what_is_told(
    stop: asyncio.Event,
) -> None:
    async def missed() -> AsyncIterator[Sequence[Event]]:
        yield [FIRST]
        yield [SECOND]

    application = Application(missed=missed())
    async with following(application, stop) as client:
        application.listener.tell(LARGE)
        head = await client.until(b"\r\n\r\n")
        told = await client.until(b'{"n":2}\n\n')
        await client.until(b"\0")

    assert b"text/event-stream" in head
    assert b": events follow\n\n" in told
    assert told.index(b'{"n":1}') < told.index(b'{"n":2}')


async def test_a_database_that_goes_away_meanwhile_ends_it(
    stop: asyncio.Event,
) -> None:
    async def missed() -> AsyncIterator[Sequence[Event]]:
        yield [FIRST]
        raise Unavailable("away")

    application = Application(missed=missed())
    async with following(application, stop) as client:
        assert b'{"n":1}' in await client.until(b"\r\n0\r\n\r\n")
        await soon(application.left)


async def test_a_listener_that_ends_is_told_nothing_of_what_it_missed(
    stop: asyncio.Event,
) -> None:
    async def missed() -> AsyncIterator[Sequence[Event]]:
        yield [FIRST]
        application.listener.end()
        yield [SECOND]

    application = Application(missed=missed())
    async with following(application, stop) as client:
        told = await client.until(b"\r\n0\r\n\r\n")

    assert b'{"n":1}' in told
    assert b'{"n":2}' not in told


@pytest.mark.parametrize("closes", [True, False], ids=["closes", "sends no more"])
async def test_a_client_that_goes_leaves_at_once(
    stop: asyncio.Event, *, closes: bool
) -> None:
    application = Application()
    async with following(application, stop) as client:
        await client.until(b": events follow")
        if closes:
            client.writer.close()
        else:
            client.writer.write_eof()

        await soon(application.left)


async def test_a_client_that_reads_nothing_is_cut_off_when_its_listener_ends(
    stop: asyncio.Event,
) -> None:
    application = Application()
    async with following(application, stop) as client:
        await application.fill()
        assert not application.left.is_set()

        application.listener.end()

        await soon(application.left)
        async with asyncio.timeout(PATIENCE):
            rest = await client.reader.read()
    assert not rest.endswith(b"\r\n0\r\n\r\n")  # cut short


async def test_a_stop_does_not_wait_for_a_client_that_reads_nothing(
    stop: asyncio.Event,
) -> None:
    application = Application()
    async with asyncio.timeout(2 * PATIENCE):
        async with following(application, stop):
            await application.fill()
            assert not application.left.is_set()

            stop.set()

            await soon(application.left)


async def test_what_is_handed_over_is_written_when_its_client_may_read_it(
    stop: asyncio.Event,
) -> None:
    application = Application()
    async with following(application, stop) as client:
        await client.until(b": events follow\n\n")

        handed = await application.listener.hand(LARGE, timedelta(seconds=PATIENCE))

        assert handed is Handed.WRITTEN
        await client.until(b"\0" * 1000)


async def test_what_is_handed_to_a_client_that_is_gone_was_not_touched(
    stop: asyncio.Event,
) -> None:
    application = Application()
    async with following(application, stop) as client:
        await client.until(b": events follow\n\n")
        client.writer.close()
        await soon(application.left)

        handed = await application.listener.hand(FIRST, timedelta(seconds=PATIENCE))

    assert handed is Handed.UNTOUCHED


async def test_a_client_that_reads_nothing_is_handed_what_its_system_takes_and_no_more(
    stop: asyncio.Event,
) -> None:
    """What it may have a part of is not taken for handed over, and ends it."""
    application = Application()
    async with following(application, stop):
        handed = Handed.WRITTEN
        while handed is Handed.WRITTEN:
            handed = await application.listener.hand(LARGE, timedelta(seconds=0.3))

        assert handed is Handed.BROKEN
        await soon(application.left)
        after = await application.listener.hand(LARGE, timedelta(seconds=PATIENCE))
    assert after is Handed.UNTOUCHED


async def test_a_client_that_goes_while_it_is_handed_something_may_have_it(
    stop: asyncio.Event,
) -> None:
    application = Application()
    async with following(application, stop) as client:
        await application.fill()
        handing = asyncio.ensure_future(
            application.listener.hand(FIRST, timedelta(seconds=PATIENCE))
        )
        await asyncio.wait({handing}, timeout=0.1)
        client.writer.transport.abort()

        assert await handing in (Handed.BROKEN, Handed.UNTOUCHED)
