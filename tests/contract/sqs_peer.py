"""SQS peer: an endpoint that checks signatures and answers as a test scripts it."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.sinks.sqs import response
from tests.sinks.sqs_protocol import Document, Sqs, failed, is_signed, refused

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # AWS's own example
REGION = "eu-central-1"


@dataclass(frozen=True, slots=True)
class Received:
    headers: Mapping[str, str]
    body: Document

    @property
    def target(self) -> str:
        return self.headers["X-Amz-Target"]

    @property
    def entries(self) -> list[Document]:
        listed = self.body.get("Entries", [])
        assert isinstance(listed, list)
        return listed


Responder = Callable[[web.Request, Received], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Peer:
    """`next` are the answers to the next calls; then it takes all that comes."""

    port: int = 0
    key: str = KEY
    next: deque[Responder] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)
    limit: int | str | None = None
    release: asyncio.Event = field(default_factory=asyncio.Event)
    sqs: Sqs = field(default_factory=lambda: Sqs(origin=""))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def queue(self, name: str = "orders") -> str:
        return f"{self.endpoint}/123456789012/{name}"

    @property
    def calls(self) -> list[list[str]]:
        """The bodies of each SendMessageBatch."""
        return [
            [str(entry["MessageBody"]) for entry in received.entries]
            for received in self.received
            if received.target == "AmazonSQS.SendMessageBatch"
        ]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        received = Received(dict(request.headers), json.loads(raw))
        self.received.append(received)
        self.connections.add(request.transport)
        method, path = request.method, request.raw_path
        if not is_signed(method, path, request.headers, raw, self.key):
            return response(refused("SignatureDoesNotMatch", "so it is", 403))
        if received.target == "AmazonSQS.GetQueueAttributes":
            return self._attributes(received)
        if self.next:
            return await self.next.popleft()(request, received)
        return response(self.sqs.answer(received.target, received.body))

    def _attributes(self, received: Received) -> web.Response:
        if self.limit is None:
            return response(refused("AccessDenied", "so it is", 403))
        if isinstance(self.limit, str):
            return web.Response(text=self.limit)
        sqs = Sqs(origin="", limit=self.limit)
        return response(sqs.answer(received.target, received.body))


@asynccontextmanager
async def running_peer() -> AsyncIterator[Peer]:
    peer = Peer()
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", peer.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    peer.port = runner.addresses[0][1]
    try:
        yield peer
    finally:
        peer.release.set()
        await runner.cleanup()


def fails(failures: Mapping[str, tuple[str, bool]]) -> Responder:
    """Fail the bodies named, each with a code and whose fault it is; take the rest."""

    def script(message: Document) -> Document | None:
        failure = failures.get(str(message["MessageBody"]))
        if failure is None:
            return None
        code, by_sender = failure
        return failed(code, "so it is", by_sender=by_sender)

    async def respond(_: web.Request, received: Received) -> web.StreamResponse:
        sqs = Sqs(origin="", script=script)
        return response(sqs.answer(received.target, received.body))

    return respond


def refuses(
    code: str,
    status: int,
    message: str = "so it is",
    headers: Mapping[str, str] = {},
) -> Responder:
    async def respond(_: web.Request, __: Received) -> web.StreamResponse:
        return response(refused(code, message, status), headers)

    return respond


def says(status: int, text: str, headers: Mapping[str, str] | None = None) -> Responder:
    async def respond(_: web.Request, __: Received) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return respond


async def hangs_up(request: web.Request, _: Received) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def resets(request: web.Request, _: Received) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def breaks_off(request: web.Request, _: Received) -> web.StreamResponse:
    """Begin a reply, and hang up in the middle."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"Successful": [')
    assert request.transport is not None
    request.transport.close()
    return response


def is_silent(peer: Peer) -> Responder:
    async def respond(_: web.Request, __: Received) -> web.StreamResponse:
        await peer.release.wait()
        return web.Response()

    return respond


def trickles(peer: Peer) -> Responder:
    """A byte now and then, for ever: a time-out between bytes would never come."""

    async def respond(request: web.Request, _: Received) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        while not peer.release.is_set():
            await response.write(b" ")
            await asyncio.sleep(0.02)
        return response

    return respond
