"""The border's memory: however many clients want much, the server's has a bound."""

import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress

import pytest

from keyrelay.api.border.limits import BodyLimits, ConnectionLimits, HeadLimits
from tests.contract.border_peer import chunked, get, post
from tests.contract.border_process import Served, served

_, FILES = resource.getrlimit(resource.RLIMIT_NOFILE)
FEW = 100
MANY = min(2000, FILES // 4)  # the server takes half of what it may open
KIB, MIB = 1 << 10, 1 << 20
HEAD, BODY, READ = HeadLimits().size, BodyLimits(), 256 * KIB
# Objects of one connection, its request, its timers and the parser's copies.
OBJECTS = 32 * KIB


@pytest.fixture
def server() -> Iterator[Served]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    with served() as found:
        for _ in range(20):  # what is made once is made
            assert found.peer.get().status == 200
        yield found
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, FILES))


def connect(server: Served, stack: ExitStack, count: int) -> list[socket.socket]:
    return [stack.enter_context(server.peer.connect()) for _ in range(count)]


def push(client: socket.socket, data: bytes) -> None:
    """Send until it is all sent, or the server takes no more."""
    client.settimeout(0)
    with suppress(OSError):
        while data:
            data = data[client.send(data) :]
    client.settimeout(20)


def grown(server: Served, clients: Sequence[socket.socket], begun: bytes) -> int:
    """Return by how much its memory has grown when it has read what was sent."""
    before = server.resident()
    for client in clients:
        push(client, begun)
    for _ in range(20):
        assert server.peer.get().status == 200  # others are served meanwhile
    return server.resident() - before


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        get()[:-2] + b"X: " + b"a" * (HEAD - KIB),
        get()[:-2] + b"".join(b"X%d: y\r\n" % number for number in range(90)),
        post("/", bytes(BODY.own), length=MIB),
        chunked("/triggers", bytes(BODY.own)),
        get("/hold"),
    ],
    ids=["idle", "half a head", "many fields", "half a body", "a stream", "working"],
)
def test_thousands_of_connections_have_a_bound(server: Served, begun: bytes) -> None:
    with ExitStack() as stack:
        clients = connect(server, stack, MANY)

        growth = grown(server, clients, begun)

    print(f"\n{growth / MANY / KIB:.1f} KiB each")
    # A body is copied once, to the application.
    assert growth < MANY * (OBJECTS + max(HEAD, 2 * BODY.own))


def test_large_bodies_have_a_bound_together(server: Served) -> None:
    with ExitStack() as stack:
        clients = connect(server, stack, FEW)
        begun = post("/held/analysis/5/upload", bytes(MIB), length=2 * MIB)

        growth = grown(server, clients * 2, begun)

    print(f"\n{growth / MIB:.1f} MiB")
    assert growth < 2 * (BODY.shared + FEW * BODY.own) + FEW * OBJECTS


@pytest.mark.parametrize(
    "begun",
    [
        get("/hold") + get("/next") * 20_000,
        get("/hold") + post("/next", bytes(MIB)) * 2,
        chunked("/hold/triggers", bytes(2 * MIB)),
        get("/large") * 20,
    ],
    ids=["requests ahead", "bodies ahead", "a body not read", "answers not read"],
)
def test_what_is_read_ahead_has_a_bound(server: Served, begun: bytes) -> None:
    with ExitStack() as stack:
        clients = connect(server, stack, FEW)

        growth = grown(server, clients, begun)

    print(f"\n{growth / FEW / KIB:.1f} KiB each")
    sent_ahead = ConnectionLimits().pipelined
    assert growth < FEW * (OBJECTS + 2 * (BODY.own + READ) + sent_ahead * 8 * KIB)
