"""Witness: what hosted scripts say by the only way out of their sandboxes.

It stands where Keyrelay's API would be. A script that has said something goes on once
it has an answer, for which a test may have it wait.
"""

import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from tests.services.deadline import met
from tests.sinks.ledger import Entry, TooFew

# Says that it begins and that it ends, with the name of its run: its first data point.
SCRIPT = """\
import json, os, socket

run = json.loads(os.environ["T_ANALYSIS_DATA"])[0]["variable"]

def say(what):
    with socket.create_connection(("localhost", 8090)) as witness:
        witness.sendall(f"{what} {run}\\n".encode())
        witness.recv(1)

say("begun")
print("under way:", run)
say("ended")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    url: str
    entries: list[Entry] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def times(self, what: str) -> Counter[str]:
        """Count how often each run has said that."""
        said = [each.name.split() for each in [*self.entries]]
        return Counter(run for word, run in said if word == what)

    def count(self, what: str) -> int:
        return self.times(what).total()

    def await_count(self, what: str, count: int, within: timedelta) -> None:
        """Return once that was said so often, or raise TooFew."""
        if not met(lambda: self.count(what) >= count, within):
            raise TooFew(f"{self.count(what)} of {count} have {what}")

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Leave scripts waiting for their answers while the block runs."""
        self.answers.clear()
        try:
            yield
        finally:
            self.answers.set()


@contextmanager
def witnessing() -> Iterator[Witness]:
    with _Server(("127.0.0.1", 0), _Hearing) as server:
        server.witness.answers.set()
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.witness
        finally:
            server.witness.answers.set()
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    @property
    def witness(self) -> Witness:
        return self._witness

    def server_activate(self) -> None:
        host, port = self.server_address[:2]
        self._witness = Witness(url=f"http://{host!s}:{port}")
        super().server_activate()


class _Hearing(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        line = self.rfile.readline().decode().strip()
        if not line:
            return
        witness = self.server.witness
        witness.entries.append(Entry(line, time.time()))
        witness.answers.wait()
        self.wfile.write(b"!")
