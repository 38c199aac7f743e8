"""Servers that are not to be trusted: the installed command tells them no password."""

import asyncio
import base64
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import trustme

from tests.contract.certificates import self_signed
from tests.contract.smtp_peer import Peer, serving
from tests.e2e.definitions import EVERYTHING, action, dead_letters, publish, trigger
from tests.e2e.mails import mail_action, smtp_secret
from tests.installed.home import Home
from tests.installed.together import together

SERVER = "127.0.0.1"
PASSWORD = "correct horse/battery+staple"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SAYS: Mapping[str, Mapping[str, bytes]] = {
    "hides STARTTLS": {"EHLO": b"250-localhost\r\n250 AUTH PLAIN LOGIN\r\n"},
    "injects a reply": {"STARTTLS": b"220 go ahead\r\n235 2.7.0 welcome\r\n"},
    "expired": {},
    "self-signed": {},
    "wrong name": {},
    "good": {},
}
REASONS = {
    "hides STARTTLS": "the server offers no STARTTLS",
    "injects a reply": "the server sent data before the TLS handshake",
    "expired": "certificate has expired",
    "self-signed": "self-signed certificate",
    "wrong name": "it is for another name",
}


def certificates(authority: trustme.CA) -> Mapping[str, trustme.LeafCert]:
    """Return those that are not the good one."""
    return {
        "expired": authority.issue_cert(SERVER, not_after=LONG_AGO),
        "wrong name": authority.issue_cert("mail.example.org"),
    }


async def test_no_password_is_told_to_whom_it_does_not_belong(
    home: Home, authority: trustme.CA, tmp_path: Path
) -> None:
    bad, good = certificates(authority), authority.issue_cert(SERVER)
    async with AsyncExitStack() as stack:
        peers = {
            which: await stack.enter_async_context(
                serving(bad.get(which, good), dict(says))
            )
            for which, says in SAYS.items()
        }
        peers["self-signed"].tls.load_cert_chain(
            self_signed(tmp_path / "server.pem", SERVER)
        )

        buried = await asyncio.to_thread(_send_to_each, home, peers)

    assert buried.keys() == REASONS.keys()
    for which, reason in REASONS.items():
        verbs = [verb for each in peers[which].connections for verb in each.verbs]
        assert reason in buried[which]
        assert set(verbs) <= {"EHLO", "STARTTLS"}, which
        assert b"AUTH" not in peers[which].everything
        assert PASSWORD.encode() not in peers[which].everything
        assert base64.b64encode(PASSWORD.encode()) not in peers[which].everything
    assert b"AUTH PLAIN" in peers["good"].everything
    assert len(peers["good"].mails) == 1


def _send_to_each(home: Home, peers: Mapping[str, Peer]) -> Mapping[str, str]:
    """Return why no mail went to a server, for those it did not go to."""
    ports = ",".join(str(peer.port) for peer in peers.values())
    home = home.under({"KEYRELAY_SMTP_PORTS": ports})
    names = {which: which.replace(" ", "-") for which in peers}

    def create(which: str) -> str:
        value = smtp_secret(peers[which].port, password=PASSWORD, server=SERVER)
        secret = home.create_secret(names[which], "smtp", value)
        does = mail_action(secret)
        return home.create("action", action(which, does, attempts=1))

    actions = together(partial(create, which) for which in peers)
    home.create("policy", EVERYTHING)
    publish(home, *map(trigger, names.values(), actions))
    home.run("worker", "--drain")
    buried = dead_letters(home)
    return {which: buried[name] for which, name in names.items() if name in buried}
