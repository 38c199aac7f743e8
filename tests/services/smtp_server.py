"""smtp-server: Nodemailer's server, which keeps each mail in a file."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import daemon, debian, loopback, program
from tests.services.cache import building
from tests.services.mailbox import Account, KeptMail

NAME = "smtp-server"

_PINS = Path(__file__).parent / "pins" / "smtp-server"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Demands STARTTLS and the login of its account."""

    port: int
    account: Account
    inbox: Path

    def mails(self) -> list[KeptMail]:
        """Return what it has kept, the oldest first."""
        return [_kept(file) for file in sorted(self.inbox.glob("*.json"))]


def version() -> str:
    needs = json.loads((_PINS / "package.json").read_text())["dependencies"]
    return str(needs["smtp-server"])


def installed(cache: Path) -> Path | None:
    script = _folder(cache) / "server.js"
    return script if script.exists() and program.find("node") else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    npm = debian.install("npm", package="npm")
    target = _folder(cache)
    print(f"{NAME}: installing {version()} with npm into {target}", flush=True)
    with building(target) as unfinished:
        shutil.copytree(_PINS, unfinished, dirs_exist_ok=True)
        quietly = ["--no-audit", "--no-fund", "--no-package-lock"]
        program.run([npm, "install", *quietly], directory=unfinished)
    return target / "server.js"


@contextmanager
def running(
    directory: Path, *, server: Path, certificate: Path, account: Account
) -> Iterator[SmtpServer]:
    node = program.find("node")
    assert node is not None, "installed() looked for it"
    port, inbox = loopback.free_port(), directory / "inbox"
    inbox.mkdir()
    login = [account.username, account.password]
    with daemon.running(
        [node, server, str(port), certificate, inbox, *login],
        directory=directory,
        ready=lambda: loopback.accepts(port),
    ):
        yield SmtpServer(port=port, account=account, inbox=inbox)


def _kept(file: Path) -> KeptMail:
    kept = json.loads(file.read_text())
    raw = base64.b64decode(kept["raw"])
    return KeptMail(recipients=frozenset(kept["recipients"]), raw=raw)


def _folder(cache: Path) -> Path:
    return cache / f"smtp-server-{version()}"
