"""PgBouncer: a pooler in front of a PostgreSQL server."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.services import daemon, debian, loopback, program

NAME = "PgBouncer"

_PACKAGE = "pgbouncer"
_ACCOUNT = "postgres"
_CONFIGURATION = """\
[databases]
* = host={host} port={behind} user={account}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
auth_type = any
unix_socket_dir =
pool_mode = {mode}
ignore_startup_parameters = {ignored}
"""

Mode = Literal["session", "transaction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PgBouncer:
    """Lets every user in without a password."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://{_ACCOUNT}@{loopback.HOST}:{self.port}/{database}"


def version() -> str:
    return debian.version(_PACKAGE)


def installed(cache: Path) -> Path | None:
    return program.find("pgbouncer")


def install(cache: Path) -> Path:
    return debian.install("pgbouncer", package=_PACKAGE)


@contextmanager
def running(
    directory: Path, *, server: Path, behind: int, mode: Mode, ignored: str = ""
) -> Iterator[PgBouncer]:
    """Pool the sessions of the server on the port `behind`.

    What a session asks for at its start is refused, or passed over if it is `ignored`.
    """
    port, configuration = loopback.free_port(), directory / "pgbouncer.ini"
    configuration.write_text(
        _CONFIGURATION.format(
            host=loopback.HOST,
            port=port,
            behind=behind,
            account=_ACCOUNT,
            mode=mode,
            ignored=ignored,
        )
    )
    with daemon.running(
        [*_account(directory), server, configuration],
        directory=directory,
        ready=lambda: loopback.accepts(port),
    ):
        yield PgBouncer(port=port)


def _account(directory: Path) -> list[str | Path]:
    """Return how it is run by another account: it refuses to serve root."""
    if os.geteuid() != 0:
        return []
    for path in (directory, *directory.iterdir()):
        shutil.chown(path, _ACCOUNT)
    account = [f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--init-groups"]
    return ["setpriv", *account]
