"""API: a process of ours that answers over HTTP, and what one asks it."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import httpx

from tests.installed.command import Command
from tests.installed.home import Home

ANY_PORT = {"KEYRELAY_API": "127.0.0.1:0", "KEYRELAY_PROBES": "off"}
_LISTENS = "api started"
_PLACE = re.compile(r"https?://[0-9a-z.\[\]:]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, and the JSON object that is its body, if it is one."""

    status: int
    headers: Mapping[str, str]
    document: Mapping[str, object]

    @property
    def result(self) -> object:
        return self.document["result"]

    @property
    def message(self) -> object:
        return self.document.get("message")

    def field(self, name: str) -> str:
        """Return a text of its result."""
        result = self.result
        assert isinstance(result, dict)
        return str(result[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """`token` is sent with each request; None, none is."""

    url: str
    command: Command
    client: httpx.Client
    token: str | None = None

    def with_token(self, token: str | None) -> "Api":
        return replace(self, token=token)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask with a body of JSON, or with these very bytes."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body)
        token = {} if self.token is None else {"token": self.token}
        answer = self.client.request(
            method, path, content=content, headers={**token, **(headers or {})}
        )
        return Answer(
            status=answer.status_code,
            headers=answer.headers,
            document=answer.json() if _has_document(answer) else {},
        )

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)


def _has_document(answer: httpx.Response) -> bool:
    kind = answer.headers.get("content-type", "")
    return bool(answer.content) and kind.startswith("application/json")


@contextmanager
def answering(home: Home, *arguments: str) -> Iterator[Api]:
    """Run `keyrelay api`, or another command that serves it, on a free port.

    What the home's settings say of that, they say.
    """
    under = home.under({**ANY_PORT, **home.settings})
    with under.running(*(arguments or ("api",))) as command:
        command.await_said(_LISTENS)
        line = next(each for each in command.said if _LISTENS in each)
        place = _PLACE.search(line)
        assert place is not None
        # None of the machine's proxies, and one connection for many requests.
        with httpx.Client(base_url=place[0], timeout=30, trust_env=False) as client:
            yield Api(url=place[0], command=command, client=client)


def token_of(home: Home, permission: str, *more: str) -> str:
    """Make a token, and return its value."""
    named = ["token", "create", f"for {permission}", "--permission", permission]
    return home.run(*named, *more).strip()
