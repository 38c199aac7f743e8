"""Client: one of TagoIO's SDKs in a process of its own, called as programs call it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.services import debian

HERE = Path(__file__).parent


class Refused(Exception):
    """What the SDK raised; its text is what a program is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """`name` is the language; a call is `resource.method`, as Python names it."""

    name: str
    process: subprocess.Popen[str]
    token: str

    def call(self, call: str, *arguments: object) -> object:
        """Return what the SDK returned, with dates as JSON has them."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"token": self.token, "call": call, "arguments": arguments}
        self.process.stdin.write(f"{json.dumps(asked)}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["result"]

    def rows(self, call: str, *arguments: object) -> list[dict[str, object]]:
        """Return a list's rows."""
        found = self.call(call, *arguments)
        assert isinstance(found, list)
        return found

    def document(self, call: str, *arguments: object) -> dict[str, object]:
        found = self.call(call, *arguments)
        assert isinstance(found, dict)
        return found

    def refusal(self, call: str, *arguments: object) -> str:
        """Return what a program is told of a call that must fail."""
        try:
            result = self.call(call, *arguments)
        except Refused as refused:
            return str(refused)
        raise AssertionError(f"{call} was not refused: {result}")

    def bearing(self, token: str) -> "Sdk":
        return replace(self, token=token)


def last(changes: Mapping[str, object] | None = None) -> Mapping[str, object]:
    """Stand for the SDK's own last result, with its dates, and changes to it."""
    return {"$last": changes or {}}


def python() -> Sequence[str | Path]:
    return [sys.executable, HERE / "python_sdk.py"]


def javascript(package: Path) -> Sequence[str | Path]:
    """`package` is the folder in whose `node_modules` the SDK is."""
    return [
        debian.install("node", package="nodejs"),
        HERE / "javascript/sdk.mjs",
        package,
    ]


@contextmanager
def running(command: Sequence[str | Path], url: str) -> Iterator[subprocess.Popen[str]]:
    """Run a client of the API that is there, which is all that it is told."""
    told = {
        "TAGOIO_API": url,
        "TAGOIO_SSE": f"{url}/events",
        "TAGOIO_REQUEST_ATTEMPTS": "1",
        "NO_PROXY": "*",
    }
    with subprocess.Popen(
        command,
        env={**os.environ, **told},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
