"""Front: what every request passes on its way to the application.

Behind a trusted proxy it gets the client's own address; HEAD is answered as GET is,
without the body; event streams end when the server stops; no cache keeps an answer,
unless the application says that one may; and an application that fails without an
answer has one nevertheless.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from keyrelay.api.border.refusal import JSON_CONTENT, UNCACHED, envelope
from keyrelay.api.peers import forwarded_for, is_within
from keyrelay.network.egress import Network

# ASGI's own types: https://asgi.readthedocs.io/en/latest/specs/main.html
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Event, Receive, Send], Awaitable[None]]

_FAILED = envelope("a mistake of Keyrelay's own; its log says where it happened")
_END: Event = {"type": "http.response.body", "body": b"", "more_body": False}
_GONE: Event = {"type": "http.disconnect"}


@dataclass(frozen=True, slots=True)
class Front:
    """`trusted` are the networks of proxies; `stop` is set when the server stops."""

    application: Application
    trusted: Sequence[Network]
    stop: asyncio.Event

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        exchange = Exchange(receive, send, self.stop, scope["method"] == "HEAD")
        seen = {**scope, **self._origin(scope)}
        if exchange.is_head:
            seen["method"] = "GET"
        try:
            await self.application(seen, exchange.receive, exchange.send)
        finally:
            await exchange.end()

    def _origin(self, scope: Event) -> Event:
        """Return `client` and `scheme`, where a trusted proxy tells them."""
        if not self.trusted or not scope["client"]:
            return {}
        if not is_within(scope["client"][0], self.trusted):
            return {}
        host, port = scope["client"]
        client = forwarded_for(host, _texts(b"x-forwarded-for", scope), self.trusted)
        schemes = ",".join(_texts(b"x-forwarded-proto", scope)).lower()
        scheme = schemes.rpartition(",")[2].strip()
        return {
            "client": (client, port if client == host else 0),
            "scheme": scheme if scheme in ("http", "https") else scope["scheme"],
        }


class Progress(Enum):
    """How far an answer is."""

    NOT_BEGUN = auto()
    BEGUN = auto()
    STREAMS = auto()  # it is a stream of events, which has no end of its own
    ENDED = auto()


@dataclass(slots=True)
class Exchange:
    """One request and its answer; `is_read` once the whole request was received."""

    receive_inner: Receive
    send_inner: Send
    stop: asyncio.Event
    is_head: bool
    is_read: bool = False
    answer: Progress = Progress.NOT_BEGUN

    async def receive(self) -> Event:
        event = await (self._gone() if self.is_read else self.receive_inner())
        if event["type"] == "http.request" and not event.get("more_body", False):
            self.is_read = True
        return event

    async def send(self, event: Event) -> None:
        if self.answer is Progress.ENDED:
            return
        await self.send_inner(_uncached(event))
        if event["type"] == "http.response.start":
            streams = any(
                name.lower() == b"content-type" and b"event-stream" in value
                for name, value in event.get("headers", ())
            )
            self.answer = Progress.STREAMS if streams else Progress.BEGUN
            if self.is_head:
                await self._end()
        elif not event.get("more_body", False):
            self.answer = Progress.ENDED

    async def end(self) -> None:
        """The application has returned, or failed: see to it that there is an answer.

        An answer that is cut short is left so: its client sees that it is incomplete.
        """
        if self.answer is Progress.NOT_BEGUN:
            length = (b"content-length", str(len(_FAILED)).encode())
            headers = [JSON_CONTENT, length, (b"connection", b"close")]
            start = {"type": "http.response.start", "status": 500, "headers": headers}
            await self.send(start)
            await self.send({"type": "http.response.body", "body": _FAILED})
        elif self.answer is Progress.STREAMS:
            await self._end()

    async def _end(self) -> None:
        self.answer = Progress.ENDED
        await self.send_inner(_END)

    async def _gone(self) -> Event:
        """Wait until the client is gone, or the server stops and this is a stream."""
        gone = asyncio.ensure_future(self.receive_inner())
        stopped = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({gone, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if self.answer is Progress.STREAMS:
                return _GONE
            return await gone
        finally:
            gone.cancel()
            stopped.cancel()


def _uncached(event: Event) -> Event:
    """Return the event; the start of an answer says whether caches may keep it."""
    headers = event.get("headers", ())
    if event["type"] != "http.response.start" or any(
        name.lower() == UNCACHED[0] for name, _ in headers
    ):
        return event
    return {**event, "headers": [*headers, UNCACHED]}


def _texts(name: bytes, scope: Event) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each == name]
