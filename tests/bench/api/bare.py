"""Bare: an ASGI application that inserts and selects the same rows, and does no more.

    python -m tests.bench.api.bare PROFILE OWN_QUEUE QUEUE DATABASE

It checks nothing: no token, no limit, no trigger. Each request, or each chunk of lines,
is one transaction, as durable as ours, in a table as ours: OWN_QUEUE's. What it lists
it reads from the other two files, in one query by an index.
"""

import json
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn

from tests.bench.api.samples import AMOUNT

LISTENS = "listens at :"

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

_INSERT = (
    "INSERT INTO triggers (profile, id, action, body, due, attempts, cut, done,"
    " accepted_at) VALUES (?, ?, ?, ?, ?, 0, 0, '[]', ?)"
    " ON CONFLICT (profile, id) DO NOTHING"
)
_TRIGGERS = (
    "SELECT sequence, id, action, due, attempts, accepted_at FROM triggers"
    " WHERE profile = ? AND settled_at IS NULL ORDER BY sequence LIMIT ?"
)
_SECRETS = "SELECT id, key FROM secrets WHERE profile = ? ORDER BY key LIMIT ?"
_ATTEMPTS = (
    'SELECT id, at, "trigger", action, secret, outcome, reason_class FROM attempts'
    " WHERE profile = ? AND (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?"
)
_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Bare:
    profile: str
    own: sqlite3.Connection
    queue: sqlite3.Connection
    store: sqlite3.Connection

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            await _answer(send, self._listed(scope))
            return
        chunks = _chunks(receive)
        if (b"content-type", b"application/x-ndjson") in scope["headers"]:
            await _answer(send, [one async for one in self._lines(chunks)])
            return
        read = json.loads(b"".join([chunk async for chunk in chunks]))
        await _answer(send, self._insert(read if isinstance(read, list) else [read]))

    async def _lines(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
        rest = b""
        async for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for one in self._insert(map(json.loads, lines)):
                yield one

    def _insert(self, triggers: Iterable[Event]) -> list[Event]:
        now = datetime.now(UTC)
        at, rows = int(now.timestamp() * 1_000_000), []
        times = {
            "raised_at": now.isoformat(),
            "deadline": (now + _LIFETIME).isoformat(),
        }
        for each in triggers:
            body = json.dumps({"profile": self.profile, **times, **each}).encode()
            rows.append((self.profile, each["id"], each["action"], body, at, at))
        self.own.execute("BEGIN IMMEDIATE")
        self.own.executemany(_INSERT, rows)
        self.own.execute("COMMIT")
        return [{"id": row[1], "state": "accepted"} for row in rows]

    def _listed(self, scope: Event) -> list[Event]:
        match scope["path"]:
            case "/triggers":
                found = self.queue.execute(_TRIGGERS, (self.profile, AMOUNT))
            case "/secrets":
                found = self.store.execute(_SECRETS, (self.profile, AMOUNT))
            case _:
                after = scope["query_string"].decode().partition("after=")[2]
                at, _, id_ = after.partition("~")
                asked = (self.profile, at.replace("T", " "), id_, AMOUNT)
                found = self.store.execute(_ATTEMPTS, asked)
        found.row_factory = sqlite3.Row
        return [dict(row) for row in found]


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        event = await receive()
        yield event["body"]
        more = event["more_body"]


async def _answer(send: Send, result: list[Event]) -> None:
    body = json.dumps({"status": True, "result": result}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _opened(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def main() -> None:
    profile, *paths = sys.argv[1:]
    own, queue, store = map(_opened, paths)
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"{LISTENS}{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        Bare(profile, own, queue, store),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
