"""Postfix: a real submission server that keeps the mail it accepts."""

import email
import email.policy
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

from tests.services import daemon, deadline, debian, loopback, program
from tests.services.dovecot import Dovecot
from tests.services.service import Unavailable

NAME = "Postfix"

_PACKAGE = "postfix"
_NOBODY = 65534
# Every recipient is ours and nothing leaves the machine, whatever a test sends.
_MAIN = """\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = /dev/stdout
myhostname = localhost
inet_interfaces = {host}
inet_protocols = ipv4
mydestination =
mynetworks =
alias_maps =
alias_database =
local_recipient_maps =
default_transport = error:this server keeps its mail
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = {certificate}
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{host}:{sasl_port}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
virtual_mailbox_domains = static:all
virtual_mailbox_base = {directory}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
"""
_MASTER = """\
{host}:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """Demands STARTTLS and a login; every recipient shares one mailbox."""

    host: str
    port: int
    username: str
    password: str
    inbox: Path

    def mails(
        self, expected: int, within: timedelta = timedelta(seconds=10)
    ) -> list[EmailMessage]:
        """Return the delivered mails, the oldest first, once `expected` are there."""
        if not deadline.met(lambda: len(self._delivered()) >= expected, within):
            found = len(self._delivered())
            raise TimeoutError(f"{found} of {expected} mails came within {within}")
        return [
            email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            for file in self._delivered()
        ]

    def clear(self) -> None:
        for file in self._delivered():
            file.unlink()

    def _delivered(self) -> list[Path]:
        files = (self.inbox / "new").glob("*")
        return sorted(files, key=lambda file: file.stat().st_mtime_ns)


def version() -> str:
    return debian.version(_PACKAGE)


def installed(cache: Path) -> Path | None:
    return program.find("postfix")


def install(cache: Path) -> Path:
    _demand_root()
    return debian.install("postfix", package=_PACKAGE)


@contextmanager
def running(
    directory: Path, *, server: Path, certificate: Path, logins: Dovecot
) -> Iterator[Postfix]:
    """Serve submission to whoever `logins` lets in."""
    _demand_root()
    port = loopback.free_port()
    configuration = _folders(directory)
    (configuration / "master.cf").write_text(
        _MASTER.format(host=loopback.HOST, port=port)
    )
    (configuration / "main.cf").write_text(
        _MAIN.format(
            directory=directory,
            host=loopback.HOST,
            certificate=certificate,
            sasl_port=logins.port,
            nobody=_NOBODY,
        )
    )
    program.run([server, "-c", configuration, "check"])
    with daemon.running(
        [_master(), "-s", "-c", configuration],
        directory=directory,
        ready=lambda: loopback.accepts(port),
    ):
        yield Postfix(
            host=loopback.HOST,
            port=port,
            username="relay",
            password=logins.password,
            inbox=directory / "mail" / "inbox",
        )


def _folders(directory: Path) -> Path:
    owners: dict[str, int | str] = {
        "configuration": "root",
        "queue": "root",
        "data": "postfix",
        "mail": _NOBODY,
    }
    for name, owner in owners.items():
        (directory / name).mkdir()
        (directory / name).chmod(0o755)
        shutil.chown(directory / name, owner)
    return directory / "configuration"


def _master() -> Path:
    # Started directly, since `postfix start-fg` puts it into a process group that
    # outlives the command. The check before it has made the queue's folders.
    asked = ["postconf", "-d", "-h", "daemon_directory"]
    answer = subprocess.run(
        asked, env=program.environment({}), capture_output=True, text=True, check=True
    )
    return Path(answer.stdout.strip()) / "master"


def _demand_root() -> None:
    if os.geteuid() != 0:
        raise Unavailable(f"{NAME} can be started by root alone")
