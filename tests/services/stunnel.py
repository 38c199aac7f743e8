"""Stunnel: STARTTLS in front of an SMTP server that has none."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import daemon, debian, loopback, program

NAME = "stunnel"

_PACKAGE = "stunnel4"
_CONFIGURATION = """\
foreground = yes
pid =
[smtp]
accept = {host}:{port}
connect = {host}:{behind}
protocol = smtp
cert = {certificate}
sslVersionMin = TLSv1.2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stunnel:
    """Answers in the name of the server behind it."""

    host: str
    port: int


def version() -> str:
    return debian.version(_PACKAGE)


def installed(cache: Path) -> Path | None:
    return program.find("stunnel")


def install(cache: Path) -> Path:
    return debian.install("stunnel", package=_PACKAGE)


@contextmanager
def running(
    directory: Path, *, server: Path, certificate: Path, behind: int
) -> Iterator[Stunnel]:
    """Serve STARTTLS for the SMTP server on the port `behind`."""
    port = loopback.free_port()
    configuration = directory / "stunnel.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            host=loopback.HOST, port=port, behind=behind, certificate=certificate
        )
    )
    with daemon.running(
        [server, configuration],
        directory=directory,
        ready=lambda: loopback.accepts(port),
    ):
        yield Stunnel(host=loopback.HOST, port=port)
