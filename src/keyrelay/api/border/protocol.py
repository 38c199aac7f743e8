"""Protocol: one connection, from its first byte to its last, within the limits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keyrelay.api.border.body import BodyCount
from keyrelay.api.border.connections import Admission
from keyrelay.api.border.head import HeadCount
from keyrelay.api.border.refusal import (
    FULL,
    LATE_HEAD,
    MALFORMED,
    SLOW_BODY,
    BorderRefusal,
    RefusedAtBorder,
)
from keyrelay.api.border.requests import Crossing, Requests, Stage

# The parser holds back a header field until it is whole: so much is read of it unseen.
_PARSED_AT_ONCE = 16 << 10


@dataclass(slots=True)
class Timer:
    """Calls once, after a time, unless it is set anew or stopped before."""

    handle: asyncio.TimerHandle | None = None

    def set(self, after: timedelta, call: Callable[[], object]) -> None:
        self.stop()
        loop = asyncio.get_running_loop()
        self.handle = loop.call_later(after.total_seconds(), call)

    def stop(self) -> None:
        if self.handle is not None:
            self.handle.cancel()
            self.handle = None


@dataclass(slots=True, eq=False)
class Border(asyncio.Protocol):
    """`refusal` is what ends this connection, as soon as earlier requests are answered.

    `limit` runs while the client must do something, `unread` while it reads nothing.
    """

    crossing: Crossing
    admission: Admission | None
    requests: Requests = field(init=False)
    limit: Timer = field(default_factory=Timer)
    unread: Timer = field(default_factory=Timer)
    refusal: BorderRefusal | None = None

    def __post_init__(self) -> None:
        crossing = self.crossing
        inner = HttpToolsProtocol(crossing.config, crossing.state, {})
        inner.access_log = False  # whatever the logger of uvicorn is told
        head = HeadCount(crossing.limits.head)
        self.requests = Requests(crossing, inner, self, head)
        inner.parser = httptools.HttpRequestParser(self.requests)

    @property
    def transport(self) -> asyncio.Transport:
        return self.requests.inner.transport

    # A server's connections are such transports; uvloop's are no subclass.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        inner = self.requests.inner
        inner.connection_made(transport)
        if self.admission is None:
            address = inner.client[0] if inner.client else ""
            self.admission = self.crossing.connections.admit(address)
        if self.admission is None:
            transport.abort()
        elif self.admission.refusal is not None:
            self._end(self.admission.refusal)  # it is counted already
        else:
            self.entered(Stage.HEAD)

    def data_received(self, data: bytes) -> None:
        if self.refusal is not None:
            return
        view = memoryview(data)
        try:
            for start in range(0, len(data), _PARSED_AT_ONCE):
                self.requests.feed(view[start : start + _PARSED_AT_ONCE])
        except RefusedAtBorder as refused:
            self._refuse(refused.refusal)
        except httptools.HttpParserError:
            self._refuse(MALFORMED)

    def eof_received(self) -> bool:
        """Return whether the connection stays: a client may send no more, and read.

        A client that goes looks alike: one that follows a stream is taken to go, as it
        would have its place for some time else.
        """
        if self.requests.stage is Stage.ANSWER:
            if self.refusal is None:  # which stands behind the last answer
                self.requests.inner.cycle.keep_alive = False
            return self.transport.can_write_eof()  # TLS has no half of a connection
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.limit.stop()
        self.unread.stop()
        if self.admission is not None:
            self.admission.leave()
        self.requests.lose()
        self.requests.inner.connection_lost(exc)
        self.crossing.lost()

    def pause_writing(self) -> None:
        self.requests.inner.pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        self.unread.stop()
        self.requests.inner.resume_writing()

    def entered(self, stage: Stage) -> None:
        limits = self.crossing.limits
        match stage:
            case Stage.HEAD:
                self.limit.set(limits.head.within, self._end_late_head)
            case Stage.BODY:
                self.limit.set(limits.body.window, self._end_slow_body)
            case Stage.ANSWER | Stage.STREAM:
                self.limit.stop()
            case Stage.IDLE:
                self.limit.set(limits.connections.idle, self._close)
        assert self.admission is not None
        if self.requests.under_way:
            self.admission.work()
        else:
            self.admission.wait(self._make_room)

    def answered(self) -> None:
        if self.requests.under_way:
            return
        if self.refusal is not None:
            self._tell(self.refusal)
        elif self.crossing.closed is not None or self.transport.is_closing():
            self._close()

    def _end_late_head(self) -> None:
        self._refuse(LATE_HEAD)

    def _end_slow_body(self) -> None:
        body = self.requests.arriving
        assert isinstance(body, BodyCount)
        # Where we have paused reading it is not the client that is slow.
        body.rate.was_paused |= self.requests.inner.flow.read_paused
        if body.rate.is_slow():
            self._refuse(SLOW_BODY)
        else:
            self.limit.set(self.crossing.limits.body.window, self._end_slow_body)

    def _refuse(self, refusal: BorderRefusal) -> None:
        self.crossing.refused(refusal)
        self._end(refusal)

    def _end(self, refusal: BorderRefusal) -> None:
        self.refusal = refusal
        self.limit.stop()
        requests = self.requests
        if requests.stage is Stage.BODY:
            if requests.inner.cycle.response_complete:
                self._linger()  # answered before all of it had come
                return
            running = requests.drop_newest()
            if running is not None and running.response_started:
                self.transport.abort()  # no other answer can follow half of one
                return
        if not requests.under_way:
            self._tell(refusal)

    def _tell(self, refusal: BorderRefusal) -> None:
        if not self.transport.is_closing():
            self.transport.write(refusal.encoded(self.crossing.state.default_headers))
            self._linger()

    def _linger(self) -> None:
        """Read on for a while, unseen: a reset would take the answer from the client.

        RFC 9112 section 9.6.
        """
        if self.transport.can_write_eof():
            self.transport.write_eof()
        assert self.admission is not None
        self.admission.work()
        self.admission.wait(self.transport.abort)
        self._cut_soon()

    def _make_room(self) -> None:
        self.refusal = FULL
        headers = self.crossing.state.default_headers
        if self.requests.stage is Stage.HEAD and not self.transport.is_closing():
            self.crossing.refused(FULL)
            self.transport.write(FULL.encoded(headers))
        self.transport.close()
        self._cut_soon()

    def _close(self) -> None:
        """Close once what was written has gone out."""
        unread = self.transport.get_write_buffer_size()
        self.transport.close()
        if unread:
            self._watch_reading()
        else:
            self._cut_soon()  # TLS waits for its peer's farewell

    def _cut_soon(self) -> None:
        limits = self.crossing.limits.connections
        self.limit.set(limits.lingering, self.transport.abort)

    def _watch_reading(self) -> None:
        before = self.transport.get_write_buffer_size()
        stalled = self.crossing.limits.connections.stalled
        self.unread.set(stalled, partial(self._cut_unless_read, before))

    def _cut_unless_read(self, before: int) -> None:
        """Cut off a client that has read little, not one whose line is slow."""
        read = before - self.transport.get_write_buffer_size()
        if read < self.crossing.limits.body.least:
            self.transport.abort()
        else:
            self._watch_reading()
