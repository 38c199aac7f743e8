"""Border peer: a small real application behind the API's border, and its clients.

It is served by uvloop in a thread, so that clients may be plain blocking sockets.
"""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPResponse
from io import BytesIO

import uvloop

from keyrelay.api.border.connections import Refusals
from keyrelay.api.border.refusal import BorderReason
from keyrelay.api.border.requests import STREAM
from keyrelay.api.front import Event, Receive, Send
from keyrelay.api.listening import Listening
from keyrelay.api.server import serve
from keyrelay.ports import Unavailable

PATIENCE = 20.0  # seconds until a test is given up
LARGE = 64 << 20
WHOLE = 16 << 20
OFTEN = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, object]:
        read = json.loads(self.body)
        assert isinstance(read, dict)
        return read

    @property
    def message(self) -> str:
        """Return the sentence of a failure, whose form and headers are as promised."""
        assert self.headers["content-type"] == "application/json"
        assert self.headers["cache-control"] == "no-store"
        assert self.headers["x-content-type-options"] == "nosniff"
        assert self.headers["connection"] == "close"
        assert self.document.keys() == {"status", "message"}
        assert self.document["status"] is False
        return str(self.document["message"])


@dataclass(slots=True)
class Application:
    """Answers what it has seen. `entered` and `release` are of requests to /hold."""

    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    left: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    release: asyncio.Event = field(default_factory=asyncio.Event)
    endings: list[str] = field(default_factory=list)

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        match scope["path"]:
            case "/hold" | "/hold/triggers":
                self.entered.release()
                await self.release.wait()
            case "/early" | "/early/triggers":
                await _answer(send, 401, {"status": False, "message": "no"})
                return
            case "/large":
                await self._send_large(send)
                return
            case "/whole":
                await send({"type": "http.response.start", "status": 200})
                await send(_part(bytes(WHOLE), more=False))
                return
            case "/events":
                scope["extensions"][STREAM]["begin"]()
                await self._stream(receive, send)
                return
            case "/fail":
                raise RuntimeError("hunter2")
            case "/half":
                await send({"type": "http.response.start", "status": 200})
                await send(_part(b"half", more=True))
                raise RuntimeError("hunter2")
            case _:
                pass
        length, ending = await _length(receive)
        self.endings.append(ending)
        self.left.release()
        seen = {name: scope[name] for name in ("method", "path", "client", "scheme")}
        seen["headers"] = len(scope["headers"])
        await _answer(send, 200, {**seen, "length": length})

    async def _send_large(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for _ in range(LARGE >> 16):
            await send(_part(bytes(1 << 16), more=True))
        await send(_part(b"", more=False))
        self.left.release()

    async def _stream(self, receive: Receive, send: Send) -> None:
        kind = (b"content-type", b"text/event-stream; charset=utf-8")
        await send({"type": "http.response.start", "status": 200, "headers": [kind]})
        await send(_part(b"data: 1\n\n", more=True))
        self.entered.release()
        while (event := await receive())["type"] != "http.disconnect":
            pass
        self.endings.append(event["type"])
        self.left.release()


async def _length(receive: Receive) -> tuple[int, str]:
    length, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return length, "http.disconnect"
        length += len(event["body"])
        more = event["more_body"]
    return length, "http.request"


async def _answer(send: Send, status: int, document: Mapping[str, object]) -> None:
    body = json.dumps(document).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send(_part(body, more=False))


def _part(body: bytes, *, more: bool) -> Event:
    return {"type": "http.response.body", "body": body, "more_body": more}


@dataclass(slots=True)
class Serving:
    """A server that runs in a thread; `fault` is why it could not.

    `counted` are the reasons of what the border has refused.
    """

    listening: Listening
    application: Application = field(default_factory=Application)
    counted: list[BorderReason] = field(default_factory=list)
    url: str = ""
    fault: Unavailable | None = None
    loop: asyncio.AbstractEventLoop = field(init=False)
    stopping: asyncio.Event = field(init=False)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.stopping.set)

    def release(self) -> None:
        self.loop.call_soon_threadsafe(self.application.release.set)

    def run(self, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(self._serve(ready))
            except Unavailable as fault:
                self.fault = fault
            finally:
                ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self.loop, self.stopping = asyncio.get_running_loop(), asyncio.Event()
        application, place = self.application, self.listening
        refusals = Refusals(self.counted.append)
        async with serve(application, place, self.stopping, refusals) as self.url:
            ready.set()
            await self.stopping.wait()

    def connect(self) -> socket.socket:
        host = self.listening.host
        client = socket.create_connection((host, self.port), timeout=PATIENCE)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def ask(self, request: bytes) -> Reply:
        """Send the request on a connection of its own, and return the answer."""
        with self.connect() as client:
            return ask(client, request)

    def get(self, path: str = "/") -> Reply:
        return self.ask(get(path))


@contextmanager
def serving(listening: Listening) -> Iterator[Serving]:
    served, ready = Serving(listening), threading.Event()
    thread = threading.Thread(target=served.run, args=(ready,))
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield served
    finally:
        if served.fault is None:
            with suppress(RuntimeError):  # it has been stopped, and its loop is closed
                served.release()
                served.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def get(path: str = "/", *headers: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: api", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def post(path: str, body: bytes, length: int | None = None) -> bytes:
    """Return a request whose body is said to be of `length`, or as long as it is."""
    said = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nHost: api\r\nContent-Length: {said}\r\n\r\n"
    return head.encode() + body


def chunked(path: str, *chunks: bytes) -> bytes:
    """Return a request whose body has no end yet."""
    head = f"POST {path} HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)


def ask(client: socket.socket, request: bytes) -> Reply:
    # A refusal may come before all of it is sent.
    with suppress(BrokenPipeError, ConnectionResetError):
        client.sendall(request)
    return answer(client, "HEAD" if request.startswith(b"HEAD") else "GET")


def answer(client: socket.socket, method: str = "GET") -> Reply:
    """Read one answer, and not a byte more."""
    response = HTTPResponse(client, method=method)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(status=response.status, headers=headers, body=response.read())


def answers(client: socket.socket) -> list[Reply]:
    """Read all answers until the connection is closed."""
    raw, found = rest(client), []
    while raw:
        response = HTTPResponse(_Sequence(raw))  # type: ignore[arg-type]
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        body = response.read()
        found.append(Reply(status=response.status, headers=headers, body=body))
        head, _, _ = raw.partition(b"\r\n\r\n")
        raw = raw[len(head) + 4 + len(body) :]
    return found


@dataclass
class _Sequence:
    raw: bytes

    def makefile(self, _: str) -> BytesIO:
        return BytesIO(self.raw)


def send_on(client: socket.socket, part: bytes) -> int:
    """Send it again and again until the server has closed; return how often it went."""
    for sent in range(OFTEN):
        try:
            client.sendall(part)
        except ConnectionError:
            return sent
    return OFTEN


def rest(client: socket.socket) -> bytes:
    """Read until the server closes the connection, or resets it."""
    read = bytearray()
    with suppress(ConnectionResetError):
        while part := client.recv(1 << 16):
            read += part
    return bytes(read)


def is_quiet(client: socket.socket, seconds: float) -> bool:
    """Return whether nothing can be read from it for that time."""
    client.settimeout(seconds)
    try:
        client.recv(1, socket.MSG_PEEK)
    except (TimeoutError, ssl.SSLWantReadError):
        return True
    finally:
        client.settimeout(PATIENCE)
    return False
