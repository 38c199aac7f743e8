"""Samples: the requests that both applications are sent."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

AMOUNT = 20  # rows of a list
ACTION = "a" + 23 * "0"
_CHUNK = 64 * 1024  # bytes
_NUMBERS = count(1)  # no trigger is sent twice


def trigger(number: int) -> dict[str, object]:
    data = [{"variable": "temperature", "value": number % 90, "unit": "C"}]
    return {"id": f"t{number}", "action": ACTION, "data": data}


def lists(token: str, requests: int, each: int) -> Sequence[bytes]:
    """Return so many requests of `each` triggers: a list, or one that is in none."""
    return [_posted(token, _body(each)) for _ in range(requests)]


def lines(token: str, triggers: int) -> bytes:
    """Return a request of JSON lines in chunks, whose length is not told before."""
    head = _head("POST", "/triggers", token, "content-type: application/x-ndjson")
    text = b"".join(json.dumps(one).encode() + b"\n" for one in _new(triggers))
    chunks = (text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK))
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"transfer-encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


def gets(token: str, requests: int, path: str) -> Sequence[bytes]:
    return [_head("GET", path, token) + b"\r\n"] * requests


def _new(many: int) -> Iterator[dict[str, object]]:
    return (trigger(next(_NUMBERS)) for _ in range(many))


def _body(each: int) -> bytes:
    triggers = [*_new(each)]
    return json.dumps(triggers if each > 1 else triggers[0]).encode()


def _posted(token: str, body: bytes) -> bytes:
    head = _head("POST", "/triggers", token, "content-type: application/json")
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def _head(method: str, path: str, token: str, *more: str) -> bytes:
    fields: Iterable[str] = ("host: bench", f"token: {token}", *more)
    first = f"{method} {path} HTTP/1.1\r\n"
    return (first + "".join(f"{each}\r\n" for each in fields)).encode()
