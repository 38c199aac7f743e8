"""MailHog: an SMTP server that shows over HTTP what it has caught."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.services import daemon, golang, loopback

NAME = "MailHog"

_VERSION = "1.0.1"
_PAGE = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHog:
    """Takes any credentials; of itself it speaks no STARTTLS."""

    host: str
    smtp_port: int
    api_port: int

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.api_port}"

    def messages(self) -> list[dict[str, Any]]:
        """Return what was caught, as `/api/v2/messages` has it, the oldest first."""
        found: list[dict[str, Any]] = []
        for page in count():
            path = f"/api/v2/messages?start={page * _PAGE}&limit={_PAGE}"
            items = json.loads(loopback.ask("GET", self.api_port, path))["items"]
            found += items
            if len(items) < _PAGE:
                break
        return found[::-1]

    def clear(self) -> None:
        loopback.ask("DELETE", self.api_port, "/api/v1/messages")


def version() -> str:
    return _VERSION


def installed(cache: Path) -> Path | None:
    built = _folder(cache) / "MailHog"
    return built if built.exists() else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    target = _folder(cache)
    print(f"{NAME}: building {_VERSION} with go into {target}", flush=True)
    golang.build("github.com/mailhog/MailHog", pins="mailhog", target=target)
    return target / "MailHog"


@contextmanager
def running(directory: Path, *, server: Path) -> Iterator[MailHog]:
    smtp, api = loopback.free_port(), loopback.free_port()
    smtp_address, api_address = f"{loopback.HOST}:{smtp}", f"{loopback.HOST}:{api}"
    listen = ["-smtp-bind-addr", smtp_address, "-api-bind-addr", api_address]
    with daemon.running(
        [server, *listen, "-ui-bind-addr", api_address],
        directory=directory,
        ready=lambda: loopback.accepts(smtp) and loopback.accepts(api),
    ):
        yield MailHog(host=loopback.HOST, smtp_port=smtp, api_port=api)


def _folder(cache: Path) -> Path:
    return cache / f"mailhog-{_VERSION}"
