"""PostgreSQL: a server of many databases that can be stopped and started again."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.services import daemon, debian, loopback, program
from tests.services.daemon import Daemon

NAME = "PostgreSQL"

_PACKAGE = "postgresql"
_ACCOUNT = "postgres"
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSql:
    """Lets every user in without a password."""

    port: int
    data: Path
    programs: Path
    daemon: Daemon

    def url(self, database: str) -> str:
        return f"postgresql://{_ACCOUNT}@{loopback.HOST}:{self.port}/{database}"

    def create(self, template: str = "template0") -> str:
        """Return the name of a new database, which is like the template."""
        name = f"test{next(_NUMBERS)}"
        self.tell(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        self.tell(f"DROP DATABASE {name} WITH (FORCE)")

    def tell(self, statement: str, database: str = _ACCOUNT) -> str:
        """Return what the statement answers, a line a row."""
        options = ["--no-psqlrc", "-qtA", "-v", "ON_ERROR_STOP=1", "-c", statement]
        answer = subprocess.run(
            [self.programs / "psql", *options, self.url(database)],
            env=program.environment({}),
            capture_output=True,
            text=True,
            check=True,
        )
        return answer.stdout.strip()

    @contextmanager
    def held(self, database: str, table: str) -> Iterator[subprocess.Popen[str]]:
        """Let nothing write to a table until the process that holds it has ended."""
        script = f"BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE; \\echo held\n"
        with subprocess.Popen(
            [self.programs / "psql", "-q", self.url(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as psql:
            assert psql.stdin is not None
            assert psql.stdout is not None
            psql.stdin.write(script)
            psql.stdin.flush()
            assert psql.stdout.readline() == "held\n"
            yield psql
            psql.kill()

    def start(self) -> None:
        """Return once it answers."""
        self.daemon.start()

    def stop(self) -> None:
        """End it as a crash would."""
        options = [f"--pgdata={self.data}", "--mode=immediate", "stop"]
        program.run(_owned([self.programs / "pg_ctl", *options]))
        self.daemon.stop()

    def restart(self) -> None:
        self.stop()
        self.start()


def version() -> str:
    return debian.version(_PACKAGE)


def installed(cache: Path) -> Path | None:
    return program.find("postgres")


def install(cache: Path) -> Path:
    return debian.install("postgres", package=_PACKAGE)


@contextmanager
def running(
    directory: Path, *, server: Path, fsync: bool = True
) -> Iterator[PostgreSql]:
    """Serve; `fsync` is for measuring: no test here cuts the machine's power."""
    programs = server.resolve().parent  # a link stands alone
    _make(directory / "data", programs)
    with _serving(directory, programs, {"fsync": fsync}) as postgresql:
        yield postgresql


@contextmanager
def standby(directory: Path, *, of: PostgreSql, name: str) -> Iterator[PostgreSql]:
    """Serve a copy that follows the other server, under that name, until promoted."""
    followed = f"host={loopback.HOST} port={of.port} user={_ACCOUNT}"
    if os.geteuid() == 0:
        shutil.chown(directory, _ACCOUNT)
    copied = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
    named = [f"--dbname={followed}", f"--pgdata={directory / 'data'}"]
    program.run(_owned([of.programs / "pg_basebackup", *copied, *named]))
    settings = {"primary_conninfo": f"{followed} application_name={name}"}
    with _serving(directory, of.programs, settings) as postgresql:
        yield postgresql


@contextmanager
def _serving(
    directory: Path, programs: Path, others: Mapping[str, object]
) -> Iterator[PostgreSql]:
    data, port = directory / "data", loopback.free_port()
    settings = {
        "port": port,
        "listen_addresses": loopback.HOST,
        "unix_socket_directories": directory,
        "max_connections": 200,
        "track_commit_timestamp": True,  # when an audit record became durable
        **others,
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    with daemon.running(
        _owned([programs / "postgres", "-D", data, *options]),
        directory=directory,
        ready=lambda: _answers(programs, port),
    ) as process:
        yield PostgreSql(port=port, data=data, programs=programs, daemon=process)


def _answers(programs: Path, port: int) -> bool:
    asked = ["--quiet", f"--host={loopback.HOST}", f"--port={port}"]
    return (
        subprocess.run([programs / "pg_isready", *asked], check=False).returncode == 0
    )


def _make(data: Path, programs: Path) -> None:
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        for path in (data, data.parent):  # its socket stands beside its data
            shutil.chown(path, _ACCOUNT)
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    # It sorts as people do, unlike SQLite.
    sorting = ["--locale-provider=icu", "--icu-locale=en-US"]
    named = [f"--username={_ACCOUNT}", f"--pgdata={data}"]
    program.run(_owned([programs / "initdb", *options, *sorting, *named]))


def _owned(command: Sequence[str | Path]) -> list[str | Path]:
    """Return the command as it is run by another account: it refuses to serve root."""
    if os.geteuid() != 0:
        return [*command]
    account = [f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--init-groups"]
    return ["setpriv", *account, *command]
