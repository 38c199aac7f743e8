"""Raw requests: triggers sent to an API over a socket, and what its answer keeps."""

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.installed.api import Api

ACTION = "c" * 24


def body_of(ids: Sequence[str], action: str = ACTION) -> bytes:
    """Return triggers each of which names itself in its data, too."""
    triggers = [
        {"id": id_, "action": action, "data": [{"variable": id_}]} for id_ in ids
    ]
    return json.dumps(triggers).encode()


def request_of(api: Api, ids: Sequence[str], action: str = ACTION) -> bytes:
    body = body_of(ids, action)
    head = f"POST /triggers HTTP/1.1\r\nHost: api\r\ntoken: {api.token}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answered(raw: bytes) -> Sequence[str]:
    """Return the ids that an answer calls durable; none, if it is cut."""
    _, _, body = raw.partition(b"\r\n\r\n")
    try:
        result = json.loads(body)["result"]
    except ValueError:
        return ()
    return [each["id"] for each in result if each["state"] != "refused"]


@contextmanager
def connected(api: Api) -> Iterator[socket.socket]:
    url = urlsplit(api.url)
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        yield connection


def rest_of(connection: socket.socket) -> bytes:
    """Return what had been sent before the kill."""
    connection.settimeout(10)
    rest = b""
    try:
        while more := connection.recv(65536):
            rest += more
    except OSError:  # it was reset
        return rest
    return rest
