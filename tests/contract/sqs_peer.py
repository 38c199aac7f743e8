"""A peer that speaks the SQS JSON protocol, answers as told and checks signatures."""

import asyncio
import hashlib
import hmac
import json
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # AWS's own example
REGION = "eu-central-1"

Entry = Mapping[str, object]
Responder = Callable[[web.Request, list[Entry]], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Received:
    headers: Mapping[str, str]
    body: Mapping[str, object]

    @property
    def entries(self) -> list[Entry]:
        listed = self.body.get("Entries", [])
        assert isinstance(listed, list)
        return listed


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
            if received.headers["X-Amz-Target"] == "AmazonSQS.SendMessageBatch"
        ]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        received = Received(dict(request.headers), json.loads(raw))
        self.received.append(received)
        self.connections.add(request.transport)
        if not is_signed(request, raw, self.key):
            return await refuses("SignatureDoesNotMatch", 403)(request, [])
        if request.headers["X-Amz-Target"] == "AmazonSQS.GetQueueAttributes":
            return self._attributes()
        responder = self.next.popleft() if self.next else takes_all
        return await responder(request, received.entries)

    def _attributes(self) -> web.Response:
        if self.limit is None:
            return error("AccessDenied", 403)
        if isinstance(self.limit, str):
            return web.Response(text=self.limit)
        return reply({"Attributes": {"MaximumMessageSize": str(self.limit)}})


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


async def takes_all(_: web.Request, entries: list[Entry]) -> web.StreamResponse:
    return reply({"Successful": [taken(entry) for entry in entries]})


def fails(failures: Mapping[str, tuple[str, bool]]) -> Responder:
    """Fail the bodies named, each with a code and whose fault it is; take the rest."""

    async def respond(_: web.Request, entries: list[Entry]) -> web.StreamResponse:
        failed = [
            {
                "Id": entry["Id"],
                "Code": failures[str(entry["MessageBody"])][0],
                "SenderFault": failures[str(entry["MessageBody"])][1],
                "Message": "so it is",
            }
            for entry in entries
            if entry["MessageBody"] in failures
        ]
        successful = [taken(e) for e in entries if e["MessageBody"] not in failures]
        return reply({"Successful": successful, "Failed": failed})

    return respond


def refuses(
    code: str,
    status: int,
    message: str = "so it is",
    headers: Mapping[str, str] | None = None,
) -> Responder:
    async def respond(_: web.Request, __: list[Entry]) -> web.StreamResponse:
        return error(code, status, message, headers)

    return respond


def says(status: int, text: str, headers: Mapping[str, str] | None = None) -> Responder:
    async def respond(_: web.Request, __: list[Entry]) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return respond


async def hangs_up(request: web.Request, _: list[Entry]) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def resets(request: web.Request, _: list[Entry]) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def breaks_off(request: web.Request, _: list[Entry]) -> web.StreamResponse:
    """Begin a reply, and hang up in the middle."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"Successful": [')
    assert request.transport is not None
    request.transport.close()
    return response


def is_silent(peer: Peer) -> Responder:
    async def respond(_: web.Request, __: list[Entry]) -> web.StreamResponse:
        await peer.release.wait()
        return web.Response()

    return respond


def trickles(peer: Peer) -> Responder:
    """A byte now and then, for ever: a time-out between bytes would never come."""

    async def respond(request: web.Request, _: list[Entry]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        while not peer.release.is_set():
            await response.write(b" ")
            await asyncio.sleep(0.02)
        return response

    return respond


def taken(entry: Entry) -> dict[str, object]:
    md5 = hashlib.md5(str(entry["MessageBody"]).encode(), usedforsecurity=False)
    return {
        "Id": entry["Id"],
        "MessageId": str(uuid.uuid4()),
        "MD5OfMessageBody": md5.hexdigest(),
    }


def reply(document: Mapping[str, object]) -> web.Response:
    text = json.dumps(document)
    return web.Response(text=text, content_type="application/x-amz-json-1.0")


def error(
    code: str,
    status: int,
    message: str = "so it is",
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    document = {"__type": f"com.amazonaws.sqs#{code}", "message": message}
    return web.Response(status=status, text=json.dumps(document), headers=headers)


def is_signed(request: web.Request, body: bytes, key: str) -> bool:
    """Check the signature as AWS does (Signature Version 4)."""
    scheme, _, rest = request.headers["Authorization"].partition(" ")
    given = dict(part.strip().split("=", 1) for part in rest.split(","))
    scope = given["Credential"].partition("/")[2]
    names = given["SignedHeaders"]
    headers = "".join(
        f"{name}:{' '.join(request.headers[name].split())}\n"
        for name in names.split(";")
    )
    canonical = "\n".join(
        [
            request.method,
            request.raw_path,
            "",
            headers,
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    text = "\n".join(
        [
            scheme,
            request.headers["X-Amz-Date"],
            scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    signing = f"AWS4{key}".encode()
    for part in [*scope.split("/"), text]:
        signing = hmac.digest(signing, part.encode(), "sha256")
    return hmac.compare_digest(signing.hex(), given["Signature"])
