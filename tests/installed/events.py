"""Events: a stream of ours as a client of it sees it, message by message."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

from tests.installed.api import Api

ALL = "attempts,dead-letters,secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A message: its id, if it has one, and its data."""

    id: str | None
    data: Mapping[str, object]

    @property
    def channel(self) -> object:
        return self.data["channel"]

    @property
    def payload(self) -> Mapping[str, object]:
        payload = self.data["payload"]
        assert isinstance(payload, dict)
        return payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An open stream; `lines` ends when the server ends it."""

    response: httpx.Response
    lines: Iterator[str]

    def next(self) -> Told:
        """Return the next message, whatever comments come before it."""
        id_ = None
        for line in self.lines:
            if line.startswith("id: "):
                id_ = line.removeprefix("id: ")
            elif line.startswith("data: "):
                return Told(id=id_, data=json.loads(line.removeprefix("data: ")))
        raise EOFError

    def comment(self) -> str:
        return next(line for line in self.lines if line.startswith(":"))

    def rest(self) -> list[str]:
        """Return what comes until it ends."""
        return [line for line in self.lines if line]


@contextmanager
def following(
    api: Api,
    channels: str = ALL,
    headers: Mapping[str, str] | None = None,
    named: str = "channels",
) -> Iterator[Stream]:
    """Open a stream with the token in the query, as TagoIO's clients do."""
    query = urlencode({named: channels, "token": api.token})
    accepted = {"accept": "text/event-stream", **(headers or {})}
    with httpx.stream(
        "GET",
        f"{api.url}/events?{query}",
        headers=accepted,
        timeout=20,
        trust_env=False,
    ) as response:
        assert response.status_code == 200, response.read()
        stream = Stream(response=response, lines=response.iter_lines())
        stream.comment()  # from here on everything is told
        yield stream
