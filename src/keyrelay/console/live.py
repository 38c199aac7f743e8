"""Live: what happens in a profile, as rows that a page takes in while it is open.

    id: the time of the newest attempt that was told
    data: its row, as HTML; so of each

    event: told        what else a page shows may have changed
    event: gap         more was missed than is told again
    event: beat        nothing happened; the stream lives

A browser that comes back says in `Last-Event-ID` how far it was told, or where its page
was made in `since`. It is told a little more than that again: an attempt that began
earlier may have been recorded later. Each row has an id, and a page takes it in once.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from keyrelay.api.event_stream import EventStream
from keyrelay.api.failures import FORESEEN
from keyrelay.concurrency.background import background
from keyrelay.console.frame import now_of
from keyrelay.console.own_api import ApiQuestion
from keyrelay.console.rendering import render
from keyrelay.console.visit import LAST_EVENT, ScriptRoute, Visit
from keyrelay.model.instant import parse_instant, wire_instant
from keyrelay.ports import Unavailable
from keyrelay.services.events.documents import Event, EventChannel, event_of
from keyrelay.services.events.listeners import Listener

FILTERS = ("trigger", "action", "secret", "outcome", "reason_class")
MOST_MISSED = 200  # rows; a page that has missed more is loaded again

_AGAIN = timedelta(seconds=5)
_CHECKED_EACH = 2.0  # seconds
_GAP = "gap"
_BEAT = b"event: beat\ndata:\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStream:
    """An ASGI application: tells a visitor what happens, while the session goes on."""

    visit: Visit
    listener: Listener
    stream: EventStream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with background(self._keep_checking()):
            await self.stream(scope, receive, send)

    async def _keep_checking(self) -> None:
        sessions, session = self.visit.signing_in.sessions, self.visit.signed_in.session
        while True:
            await asyncio.sleep(_CHECKED_EACH)
            try:
                goes_on = await sessions.goes_on(session)
            except Unavailable:  # whether the token counts is checked as well
                continue
            if not goes_on:
                self.listener.end()


async def follow(visit: Visit) -> ASGIApp:
    """Raises InvalidDefinition, TooManyStreams and Unavailable."""
    since = _since(visit)
    events, token = visit.api.process.events, visit.api.caller.token
    listener = await events.listen(token, frozenset(EventChannel) | {_GAP})
    stream = EventStream(
        listener=listener,
        leave=partial(events.leave, listener),
        missed=None if since is None else _missed(visit, since - _AGAIN),
        encode=partial(_messages, visit),
    )
    return LiveStream(visit=visit, listener=listener, stream=stream)


def _since(visit: Visit) -> datetime | None:
    text = visit.query.text(LAST_EVENT) or visit.query.text("since")
    return parse_instant(text or None, "since")


async def _missed(visit: Visit, since: datetime) -> AsyncIterator[Sequence[Event]]:
    """Yield the attempts since then, the oldest first. Raises Unavailable."""
    query = [("since", wire_instant(since)), ("amount", str(MOST_MISSED))]
    found = await visit.api.result("/attempts", ApiQuestion(query=query))
    attempts = found["attempts"]
    assert isinstance(attempts, list)
    if found["next"] is not None:
        yield [event_of(_GAP, {})]
    if attempts:
        yield [event_of(EventChannel.ATTEMPTS, one) for one in reversed(attempts)]


async def _messages(visit: Visit, events: Sequence[Event]) -> bytes:
    """Return what a page is told of these events."""
    if not events:
        return _BEAT
    attempts = [
        json.loads(event.data)["payload"]
        for event in events
        if event.channel == EventChannel.ATTEMPTS
    ]
    channels = sorted({str(event.channel) for event in events})
    named = _GAP if channels == [_GAP] else "told"
    told = _message({"event": named}, json.dumps(channels))
    return (await _rows(visit, attempts) if attempts else b"") + told


async def _rows(visit: Visit, attempts: Sequence[Mapping[str, object]]) -> bytes:
    newest = max(str(one["at"]) for one in attempts)
    wanted = [one for one in attempts if _matches(visit, one)]
    if not wanted:
        return f"id: {newest}\n\n".encode()
    facts = {"attempts": await _in_detail(visit, wanted), "now": now_of(visit.api)}
    return _message({"id": newest}, render("attempts/rows.html", facts))


async def _in_detail(
    visit: Visit, attempts: Sequence[Mapping[str, object]]
) -> Sequence[Mapping[str, object]]:
    api = visit.api

    async def ask(query: Sequence[tuple[str, str]]) -> Sequence[Mapping[str, object]]:
        try:
            found = await api.result("/attempts", ApiQuestion(query=query))
        except FORESEEN:  # the row is told with what the event says
            return []
        listed = found["attempts"]
        assert isinstance(listed, list)
        return listed

    return await api.recent.in_detail(api.caller.profile, attempts, ask)


def _matches(visit: Visit, attempt: Mapping[str, object]) -> bool:
    asked = {name: visit.query.text(name) for name in FILTERS}
    return all(str(attempt[name]) == text for name, text in asked.items() if text)


def _message(fields: Mapping[str, str], data: str) -> bytes:
    lines = [f"{name}: {text}" for name, text in fields.items()]
    lines += [f"data: {line}" for line in data.strip().splitlines()]
    return ("\n".join(lines) + "\n\n").encode(errors="replace")


ROUTES = (ScriptRoute(path="/live", answer=follow),)
