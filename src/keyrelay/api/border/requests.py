"""Requests: those of one connection, as the parser finds them.

The parser calls this class, which checks and then calls uvicorn's protocol, which
starts the application. What is refused is raised, which stops the parser.
"""

import asyncio
import socket
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from typing import Protocol

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from keyrelay.api.border.answering import Answering
from keyrelay.api.border.body import BodyCount, BodyRate, SharedBytes
from keyrelay.api.border.connections import Connections
from keyrelay.api.border.head import (
    HeadCount,
    announced,
    check_head,
    refuse_trailer,
    refuse_upgrade,
)
from keyrelay.api.border.limits import BorderLimits
from keyrelay.api.border.refusal import PIPELINED, BorderRefusal, RefusedAtBorder

# An ASGI extension of our own, with three functions: `begin` says that the answer is a
# stream, which ends when its client does, and in which a `send` waits until the system
# has all that was sent before; `is_open` tells whether what is sent goes anywhere;
# `cut_off` closes a connection whose client reads nothing, at once.
STREAM = "keyrelay.stream"

# After which a peer is gone that confirms nothing: three of a stream's keep-alives.
_UNCONFIRMED = timedelta(seconds=15)


class Stage(Enum):
    """What a connection waits for."""

    HEAD = auto()  # of its first request, or of one that has begun
    BODY = auto()
    ANSWER = auto()
    STREAM = auto()  # of an answer, which has no end of its own
    IDLE = auto()  # between two requests


@dataclass(slots=True)
class Crossing:
    """What all connections of one listening server share.

    `closed` is None until the server stops; it is done when the last one is closed.
    """

    limits: BorderLimits
    connections: Connections
    shared: SharedBytes
    config: Config
    state: ServerState
    closed: asyncio.Future[None] | None = None

    def refused(self, refusal: BorderRefusal) -> None:
        """Count what is refused on a connection."""
        self.connections.refusals.count(refusal.reason)

    def lost(self) -> None:
        """A connection is closed."""
        if self.closed is None or self.state.connections or self.closed.done():
            return
        self.closed.set_result(None)


class Watcher(Protocol):
    """Is told what becomes of the requests."""

    def entered(self, stage: Stage) -> None: ...

    def answered(self) -> None:
        """One more is answered in full."""


@dataclass(slots=True, eq=False)
class Requests:
    """`under_way` are those that are not answered yet, in order; the first is running.

    `arriving` counts what is being read, the head or the body of the newest.
    """

    crossing: Crossing
    inner: HttpToolsProtocol
    watcher: Watcher
    arriving: HeadCount | BodyCount
    stage: Stage = Stage.HEAD
    under_way: dict[RequestResponseCycle, BodyCount] = field(default_factory=dict)

    def feed(self, data: memoryview) -> None:
        """Parse what was read. Raises RefusedAtBorder, or httptools.HttpParserError."""
        before = self.arriving
        try:
            self.inner.parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, RefusedAtBorder):
                raise error.__context__ from None
            raise
        if isinstance(before, HeadCount) and self.arriving is before:
            before.add_unparsed(len(data))
        elif isinstance(self.arriving, BodyCount) and self.inner.flow.read_paused:
            self.arriving.rate.was_paused = True

    def drop_newest(self) -> RequestResponseCycle | None:
        """Give up the request whose body is arriving; return it if it is running."""
        newest = self.inner.cycle
        self.under_way.pop(newest).end()
        if self.under_way:  # it waits for its turn, which it will not have
            self.inner.pipeline.popleft()
            return None
        _disconnect(newest)
        return newest

    def lose(self) -> None:
        """The connection is gone: tell the running one, whichever that is."""
        for cycle, body in self.under_way.items():
            body.end()
            _disconnect(cycle)

    def on_message_begin(self) -> None:
        if len(self.inner.pipeline) >= self.crossing.limits.connections.pipelined:
            raise RefusedAtBorder(PIPELINED)
        if self.inner.cycle is not None:  # the first one's is there already
            self.arriving = HeadCount(self.crossing.limits.head)
        self._enter(Stage.HEAD)
        self.inner.on_message_begin()

    def on_url(self, url: bytes) -> None:
        assert isinstance(self.arriving, HeadCount)
        self.arriving.add_target(len(url))
        self.inner.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not isinstance(self.arriving, HeadCount):
            refuse_trailer()
        self.arriving.add_field(name, value)
        self.inner.on_header(name, value)

    def on_headers_complete(self) -> None:
        inner, limits = self.inner, self.crossing.limits.body
        if inner.parser.should_upgrade():
            refuse_upgrade()
        check_head(inner.parser.get_http_version(), inner.url, inner.headers)
        longest = limits.longest(inner.url.partition(b"?")[0].decode("ascii"))
        body = BodyCount(limits, self.crossing.shared, longest, BodyRate(limits))
        body.announce(announced(inner.headers))
        inner.on_headers_complete()
        answering = inner.cycle.transport = Answering(inner.transport)
        inner.cycle.on_response = partial(self._answered, inner.cycle, answering)
        stream: dict[object, object] = {
            "begin": self._stream,
            "is_open": partial(_is_open, inner.cycle),
            "cut_off": inner.transport.abort,
        }
        inner.scope["extensions"] = {STREAM: stream}
        self.under_way[inner.cycle] = self.arriving = body
        self._enter(Stage.BODY)

    def on_body(self, data: bytes) -> None:
        assert isinstance(self.arriving, BodyCount)
        self.arriving.add(len(data))
        self.inner.on_body(data)

    def on_message_complete(self) -> None:
        answered = self.inner.cycle.response_complete
        self.inner.on_message_complete()
        self._enter(Stage.IDLE if answered else Stage.ANSWER)

    def _answered(self, cycle: RequestResponseCycle, answering: Answering) -> None:
        answering.flush()  # it has a head alone
        self.under_way.pop(cycle).end()
        self.inner.on_response_complete()
        if (timer := self.inner.timeout_keep_alive_task) is not None:
            timer.cancel()  # the border has its own
        if self.stage in (Stage.ANSWER, Stage.STREAM) and not self.under_way:
            self._enter(Stage.IDLE)
        self.watcher.answered()

    def _stream(self) -> None:
        if self.stage is Stage.ANSWER:
            self._enter(Stage.STREAM)
            transport = self.inner.transport
            transport.set_write_buffer_limits(high=0)
            # Else a machine that lost its power is a listener for a quarter of an hour.
            _give_up_after(_UNCONFIRMED, transport.get_extra_info("socket"))

    def _enter(self, stage: Stage) -> None:
        self.stage = stage
        self.watcher.entered(stage)


def _is_open(cycle: RequestResponseCycle) -> bool:
    ended = cycle.disconnected or cycle.response_complete
    return not (ended or cycle.transport.is_closing())


def _give_up_after(unconfirmed: timedelta, connection: socket.socket) -> None:
    if sys.platform == "linux":
        milliseconds = int(unconfirmed / timedelta(milliseconds=1))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _disconnect(cycle: RequestResponseCycle) -> None:
    """Let the application find its client gone; what it still sends goes nowhere."""
    cycle.disconnected = True
    cycle.message_event.set()
