"""Mailpit: an SMTP server with STARTTLS and logins of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import daemon, golang, loopback
from tests.services.mailbox import Account, KeptMail

NAME = "Mailpit"

_VERSION = "1.27.11"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailpit:
    """Demands STARTTLS and the login of its account."""

    port: int
    account: Account
    api_port: int

    def mails(self) -> list[KeptMail]:
        """Return what it has kept, the oldest first."""
        listed = json.loads(self._ask("messages?limit=1000"))["messages"]
        return [self._mail(each["ID"]) for each in reversed(listed)]

    def _mail(self, id_: str) -> KeptMail:
        summary = json.loads(self._ask(f"message/{id_}"))
        people = [*summary["To"], *summary["Cc"], *summary["Bcc"]]
        raw = self._ask(f"message/{id_}/raw")
        return KeptMail(recipients=frozenset(p["Address"] for p in people), raw=raw)

    def _ask(self, path: str) -> bytes:
        return loopback.ask("GET", self.api_port, f"/api/v1/{path}")


def version() -> str:
    return _VERSION


def installed(cache: Path) -> Path | None:
    built = _folder(cache) / "mailpit"
    return built if built.exists() else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    target = _folder(cache)
    print(f"{NAME}: building {_VERSION} with go into {target}", flush=True)
    golang.build("github.com/axllent/mailpit", pins="mailpit", target=target)
    return target / "mailpit"


@contextmanager
def running(
    directory: Path, *, server: Path, certificate: Path, account: Account
) -> Iterator[Mailpit]:
    smtp, api = loopback.free_port(), loopback.free_port()
    logins = directory / "logins"
    logins.write_text(f"{account.username}:{account.password}\n")
    listen = ["--smtp", f"{loopback.HOST}:{smtp}", "--listen", f"{loopback.HOST}:{api}"]
    tls: list[str | Path] = [
        "--smtp-tls-cert",
        certificate,
        "--smtp-tls-key",
        certificate,
    ]
    demands: list[str | Path] = ["--smtp-require-starttls", "--smtp-auth-file", logins]
    alone = ["--smtp-disable-rdns", "--disable-version-check"]
    with daemon.running(
        [server, *listen, *tls, *demands, *alone],
        directory=directory,
        ready=lambda: loopback.accepts(smtp) and loopback.accepts(api),
    ):
        yield Mailpit(port=smtp, account=account, api_port=api)


def _folder(cache: Path) -> Path:
    return cache / f"mailpit-{_VERSION}"
