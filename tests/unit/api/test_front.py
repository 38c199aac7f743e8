"""Front: what an application is told, and what becomes of what it says."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from keyrelay.api.front import Event, Front, Receive, Send
from keyrelay.network.egress import parse_networks

START: Event = {"type": "http.response.start", "status": 200}
END: Event = {"type": "http.response.body", "body": b"x", "more_body": False}
READ: Event = {"type": "http.request", "body": b"", "more_body": False}
UNCACHED = (b"cache-control", b"no-store")
STREAM = [(b"Content-Type", b"text/event-stream")]


@dataclass(slots=True)
class Client:
    """Has sent its whole request; `is_gone` is set when it goes."""

    is_gone: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[Event] = field(default_factory=list)
    _events: list[Event] = field(default_factory=lambda: [READ])

    async def receive(self) -> Event:
        if self._events:
            return self._events.pop()
        await self.is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        self.sent.append(event)


def scope(client: str = "10.0.0.1", **headers: str) -> Event:
    named = [
        (name.replace("_", "-").encode(), value.encode())
        for name, value in headers.items()
    ]
    address = (client, 4711)
    return {"method": "GET", "scheme": "http", "client": address, "headers": named}


@pytest.mark.parametrize(("headers", "told"), [(STREAM, True), ([], False)])
async def test_only_a_stream_is_told_that_the_server_stops(
    headers: Sequence[tuple[bytes, bytes]], *, told: bool
) -> None:
    client, stop, endings = Client(), asyncio.Event(), list[str]()

    async def application(_: Event, receive: Receive, send: Send) -> None:
        await receive()
        await send({**START, "headers": headers})
        endings.append((await receive())["type"])

    answering = asyncio.ensure_future(
        Front(application, (), stop)(scope(), client.receive, client.send)
    )
    stop.set()
    await asyncio.wait({answering}, timeout=0.05)
    assert endings == (["http.disconnect"] if told else [])
    client.is_gone.set()
    await answering
    assert endings == ["http.disconnect"]
    await asyncio.sleep(0)  # what is cancelled ends
    assert len(asyncio.all_tasks()) == 1


async def test_nothing_waits_for_a_stop_once_a_client_is_gone() -> None:
    async def application(_: Event, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        assert (await receive())["type"] == "http.disconnect"

    client = Client()
    client.is_gone.set()
    front = Front(application, (), asyncio.Event())
    await front(scope(), client.receive, client.send)
    await asyncio.sleep(0)  # what is cancelled ends

    assert len(asyncio.all_tasks()) == 1


async def test_what_is_said_behind_the_end_of_an_answer_is_not_sent() -> None:
    async def application(_: Event, __: Receive, send: Send) -> None:
        for event in (START, END, END, START):
            await send(event)

    client = Client()
    front = Front(application, (), asyncio.Event())
    await front(scope(), client.receive, client.send)

    assert client.sent == [{**START, "headers": [UNCACHED]}, END]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ((), [UNCACHED]),
        ([(b"Cache-Control", b"immutable")], [(b"Cache-Control", b"immutable")]),
    ],
    ids=["says nothing", "says that one may"],
)
async def test_no_cache_keeps_an_answer_unless_the_application_says_so(
    said: Sequence[tuple[bytes, bytes]], kept: Sequence[tuple[bytes, bytes]]
) -> None:
    async def application(_: Event, __: Receive, send: Send) -> None:
        await send({**START, "headers": said})
        await send(END)

    client = Client()
    front = Front(application, (), asyncio.Event())
    await front(scope(), client.receive, client.send)

    assert client.sent[0]["headers"] == kept


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, http", "http"),
        ("http,https ", "https"),
        ("gopher", "http"),
        ("", "http"),
    ],
)
async def test_the_scheme_is_the_one_that_the_nearest_proxy_tells(
    proto: str, scheme: str
) -> None:
    seen: list[Event] = []

    async def application(asked: Event, _: Receive, send: Send) -> None:
        seen.append(asked)
        await send(START)
        await send(END)

    client, trusted = Client(), parse_networks("10.0.0.0/8")
    front = Front(application, trusted, asyncio.Event())
    await front(scope(x_forwarded_proto=proto), client.receive, client.send)

    assert seen[0]["scheme"] == scheme
    assert seen[0]["client"] == ("10.0.0.1", 4711)  # its own, with its port
