"""One address: console and API together; a browser at `/` sees the console."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Receive, Send

from keyrelay.console.answering import ROOT, moved


@dataclass(frozen=True, slots=True, kw_only=True)
class OneAddress:
    """An ASGI application in front of two."""

    api: ASGIApp
    console: ASGIApp

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        path = scope["path"]
        if path == ROOT or path.startswith(f"{ROOT}/"):
            await self.console(scope, receive, send)
        elif path == "/" and _is_browser(scope):
            await moved("/")(scope, receive, send)
        else:
            await self.api(scope, receive, send)


def _is_browser(scope: MutableMapping[str, Any]) -> bool:
    accepts = (value for name, value in scope["headers"] if name == b"accept")
    return any(b"text/html" in value for value in accepts)
