"""Python SDK: TagoIO's own client, called as the lines of standard input tell it.

Each line is `{"token", "call", "arguments"}`, and is answered by one of `{"result"}` or
`{"refused"}`. A call is a method of `Resources`, or stands in `OTHERS`. An argument
`{"$last": changes}` is what the client returned last, as it is, with changes.

Where the API is stands in `TAGOIO_API`, as for any program that uses the client.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from sseclient import Event
from tagoio_sdk import Device, Resources, Services
from tagoio_sdk.common.tagoio_module import TagoIOModule
from tagoio_sdk.infrastructure.api_request import TagoIORequestError
from tagoio_sdk.infrastructure.api_sse import openSSEListening


def tag_keys(token: str, kind: str) -> object:
    """Ask for what this client has no method for, in its own manner."""
    asked = {"path": f"/tags/keys/{kind}", "method": "GET"}
    return TagoIOModule({"token": token}).doRequest(asked)


def access_settings(token: str) -> object:
    return TagoIOModule({"token": token}).doRequest(
        {"path": "/am/settings", "method": "GET"}
    )


def service(path: str) -> Callable[..., object]:
    """Return a call of what this client has no class for, as its own services call."""

    def send(token: str, body: object) -> object:
        asked = {"path": path, "method": "POST", "body": body}
        return TagoIOModule({"token": token}).doRequest(asked)

    return send


followed = dict[str, Iterator[Event]]()  # by token


def follow(token: str, channel: str) -> object:
    """Open a stream as the client does for the triggers of an analysis."""
    opened = openSSEListening({"token": token, "channel": channel})
    followed[token] = opened.events()
    return "opened"


def next_event(token: str) -> object:
    return json.loads(next(followed[token]).data)


def log(token: str, message: str, at: str | None = None) -> object:
    """Send a line as `context.log` does, at a time of UTC."""
    timestamp = None if at is None else datetime.fromisoformat(at)
    return Services({"token": token}).console.log(message, timestamp)


OTHERS: Mapping[str, Callable[..., object]] = {
    "tags.getTagKeys": tag_keys,
    "access.settings": access_settings,
    "events.follow": follow,
    "events.next": next_event,
    "services.mail": service("/analysis/services/email-smtp/send"),
    "services.queue": service("/analysis/services/queue-sqs/send"),
    "console.log": log,
    "device.info": lambda token: Device({"token": token}).info(),
}


def called(token: str, call: str, *arguments: object) -> object:
    if call in OTHERS:
        return OTHERS[call](token, *arguments)
    resource, method = call.split(".")
    return getattr(getattr(Resources({"token": token}), resource), method)(*arguments)


def answers(lines: Iterable[str]) -> Iterator[Mapping[str, object]]:
    last: object = None
    for line in lines:
        asked = json.loads(line)
        given = (filled_in(argument, last) for argument in asked["arguments"])
        try:
            last = called(asked["token"], asked["call"], *given)
        except TagoIORequestError as refused:
            yield {"refused": refused.message}
        else:
            yield {"result": last}


def filled_in(argument: object, last: object) -> object:
    if isinstance(argument, dict) and "$last" in argument:
        assert isinstance(last, dict)
        return {**last, **argument["$last"]}
    return argument


def as_sent(value: object) -> str:
    """Return a date as JSON has it; the client makes naive ones, of UTC."""
    assert isinstance(value, datetime)
    return f"{value.isoformat(timespec='milliseconds')}Z"


if __name__ == "__main__":
    for answer in answers(sys.stdin):
        print(json.dumps(answer, default=as_sent), flush=True)
