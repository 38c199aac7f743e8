"""Event stream: what a listener is told, as server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from starlette.types import Message, Receive, Scope, Send

from keyrelay.api.border.requests import STREAM
from keyrelay.ports import Unavailable
from keyrelay.services.events.documents import Event
from keyrelay.services.events.listeners import Listener

KEEP_ALIVE = timedelta(seconds=5)  # TagoIO's clients hang up after 60 s of silence
CONTENT_TYPE = "text/event-stream"

_COMMENT = b": keep-alive\n\n"
_BEGUN = b": events follow\n\n"
_ENDS_WITHIN = 0.2  # seconds; a client that has not read by then reads nothing
_HEADERS = (
    (b"content-type", CONTENT_TYPE.encode()),
    # A proxy that gathers an answer before it passes it on would hold it for ever.
    (b"x-accel-buffering", b"no"),
)


async def plain(events: Sequence[Event]) -> bytes:
    """Return a message for each event; for none, a comment."""
    return b"".join(map(encoded, events)) or _COMMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """An ASGI application: tells `missed`, then what its listener is told.

    It ends when the listener ends, or its client is gone, or the server stops; then it
    calls `leave`. The connection of a client that reads nothing then is cut off. Its
    listener is told when what it took is written. `encode` makes messages of
    events, and of none what says that the stream lives.
    """

    listener: Listener
    leave: Callable[[], None]
    missed: AsyncIterator[Sequence[Event]] | None = None
    encode: Callable[[Sequence[Event]], Awaitable[bytes]] = plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream = scope["extensions"][STREAM]
        stream["begin"]()
        sending = asyncio.ensure_future(self._send_all(send, stream["is_open"]))
        gone = asyncio.ensure_future(_until_gone(receive))
        ended = asyncio.ensure_future(self.listener.ended.wait())
        parts = {sending, gone, ended}
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            self.listener.end()
            await asyncio.wait({sending}, timeout=_ENDS_WITHIN)
            if not sending.done():
                stream["cut_off"]()
        finally:
            self.leave()
            for part in parts:
                part.cancel()
            await asyncio.wait(parts)
        if not sending.cancelled():
            sending.result()

    async def _send_all(self, send: Send, is_open: Callable[[], bool]) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": [*_HEADERS]}
        await send(start)
        await send(_body(_BEGUN))
        if self.missed is not None:
            await self._send_missed(self.missed, send)
        while (told := await self.listener.take(KEEP_ALIVE)) is not None:
            await send(_body(await self.encode(told)))
            await send(_body(b""))  # waits until the system has all of it
            if is_open():  # else nothing may have been written
                self.listener.written()

    async def _send_missed(
        self, missed: AsyncIterator[Sequence[Event]], send: Send
    ) -> None:
        try:
            async for events in missed:
                if self.listener.ended.is_set():
                    return
                await send(_body(await self.encode(events)))
        except Unavailable:  # its client comes back, and says how far it has got
            self.listener.end()


def encoded(event: Event) -> bytes:
    """Return a message of the default type; its id is where to go on from."""
    id_ = b"" if event.place is None else f"id: {event.place}\n".encode()
    return id_ + b"data: " + event.data + b"\n\n"


def _body(content: bytes) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": True}


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
