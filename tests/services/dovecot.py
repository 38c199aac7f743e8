"""Dovecot: nothing but its SASL service, which answers for Postfix."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import daemon, debian, loopback, program

NAME = "Dovecot"

_PACKAGE = "dovecot-core"
_CONFIGURATION = """\
protocols =
base_dir = {directory}/run
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  inet_listener {{
    address = {host}
    port = {port}
  }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dovecot:
    """Knows every user by the same password."""

    host: str
    port: int
    password: str


def version() -> str:
    return debian.version(_PACKAGE)


def installed(cache: Path) -> Path | None:
    return program.find("dovecot")


def install(cache: Path) -> Path:
    return debian.install("dovecot", package=_PACKAGE)


@contextmanager
def running(directory: Path, *, server: Path, password: str) -> Iterator[Dovecot]:
    port = loopback.free_port()
    configuration = directory / "dovecot.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            directory=directory, host=loopback.HOST, port=port, password=password
        )
    )
    with daemon.running(
        [server, "-F", "-c", configuration],
        directory=directory,
        ready=lambda: loopback.accepts(port),
    ):
        yield Dovecot(host=loopback.HOST, port=port, password=password)
