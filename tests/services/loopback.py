"""Loopback: ports that are free, ports that answer, and HTTP spoken to them."""

import secrets
import socket
from contextlib import closing
from http.client import HTTPConnection, HTTPException

HOST = "127.0.0.1"

# Below what the kernel hands out for outgoing connections, so that none of these
# takes the port between our look and the server's start, or during its restart.
_PORTS = range(20_000, 32_000)
_TIMEOUT = 5.0


def free_port() -> int:
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) != 0 and _can_bind(port):
                return port


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(_TIMEOUT)
        return probe.connect_ex((HOST, port)) == 0


def ask(method: str, port: int, path: str) -> bytes:
    """Return the body of a 2xx answer; no proxy is asked, unlike with urlopen."""
    with closing(HTTPConnection(HOST, port, timeout=_TIMEOUT)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
    if answer.status // 100 != 2:
        raise HTTPException(f"{method} {path} answered {answer.status}")
    return body


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
