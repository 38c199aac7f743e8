"""Events: what has just happened in a profile, as a stream."""

from collections.abc import Collection
from functools import partial

from keyrelay.api.described import TEXT, failures, in_query, named
from keyrelay.api.event_stream import CONTENT_TYPE, EventStream
from keyrelay.api.failures import Denied
from keyrelay.api.openapi import TOKEN, TOKEN_IN_QUERY
from keyrelay.api.parameters import Parameters, parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Asked, Operation, Route
from keyrelay.model.cursor import Cursor, parse_cursor
from keyrelay.model.documents import InvalidDefinition
from keyrelay.services.events.consoles import analysis_of, console_channel
from keyrelay.services.events.documents import EventChannel
from keyrelay.services.events.run_listeners import TRIGGER, may_listen

_LAST_EVENT = "last-event-id"
_ALL = ", ".join(EventChannel)
_CHANNELS = f"{_ALL}, {console_channel('ID')}"


async def follow(asked: Asked) -> EventStream:
    given = parse_parameters(asked.query, ("channel", "channels", TOKEN))
    channels = _channels(given)
    # What is for one is not for the other: a run is handed to its own script alone.
    if (TRIGGER in channels) is not (asked.caller.token.rights.analysis is not None):
        raise Denied
    return _runs(asked) if TRIGGER in channels else await _events(asked, channels)


async def _events(asked: Asked, channels: Collection[str]) -> EventStream:
    place, token = _place(asked), asked.caller.token
    events = asked.process.events
    listener, missed = await events.listen(token, channels), None
    if place is not None and EventChannel.ATTEMPTS in channels:
        missed = events.missed(token.profile, place)
    leave = partial(events.leave, listener)
    return EventStream(listener=listener, leave=leave, missed=missed)


def _runs(asked: Asked) -> EventStream:
    """Let the caller, a script elsewhere, wait for the runs of its analysis."""
    caller, runs = asked.caller, asked.process.streams.runs
    if not may_listen(caller.token.rights):
        raise Denied
    listener = runs.listen(caller.token, caller.address, is_private=caller.is_private)
    leave = partial(runs.listeners.remove, listener)
    return EventStream(listener=listener.listener, leave=leave)


def _channels(given: Parameters) -> Collection[str]:
    """Read `channel`, as Python's client names it, or `channels`, as JavaScript's."""
    one, several = given.text("channel"), given.text("channels")
    if one is not None and several is not None:
        raise InvalidDefinition("give one of channel and channels: either may name all")
    names = (one or several or "").split(",")
    if names == [TRIGGER]:
        return frozenset(names)
    if TRIGGER in names:
        raise InvalidDefinition(f"{TRIGGER} is a stream of its own: name it alone")
    if not all(name in {*EventChannel} or analysis_of(name) for name in names):
        raise InvalidDefinition(
            f"channels must name one or more of {_CHANNELS}, where ID is an analysis'"
        )
    return frozenset(names)


def _place(asked: Asked) -> Cursor | None:
    """Return where a client that comes back was; it repeats the last id it was told."""
    last = asked.headers.get(_LAST_EVENT)
    if not last:
        return None
    try:
        return parse_cursor(last)
    except InvalidDefinition:
        raise InvalidDefinition(
            "Last-Event-ID is none of this stream's: leave it out"
        ) from None


# By hand: what it answers is no envelope, and the token may stand in the query.
_DESCRIBED: Operation = {
    "summary": "Follow what happens, as server-sent events",
    "security": [{TOKEN: []}, {TOKEN_IN_QUERY: []}],
    "parameters": [
        in_query("channels", TEXT, f"One or more of {_CHANNELS}, separated by commas."),
        in_query("channel", TEXT, "The same: one of both is given."),
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The last id that came: attempts since then come first.",
            "schema": TEXT,
        },
    ],
    "responses": {
        "200": {
            "description": "Events until the client goes, the token is revoked or the"
            " server stops. The data of each is the JSON of an object: `channel` says"
            " which, `payload` what has happened. The main token of an external"
            f" analysis alone opens `{TRIGGER}`, by which its script is handed runs.",
            "content": {CONTENT_TYPE: {"schema": TEXT}},
        },
        **failures("Not done; the message says why.", named("Failure")),
    },
}

ROUTES = (
    Route(
        method="GET",
        path="/events",
        right=Right.LISTEN,
        answer=follow,
        described=_DESCRIBED,
        is_stream=True,
    ),
)
