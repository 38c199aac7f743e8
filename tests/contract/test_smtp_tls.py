"""No password without a verified handshake, no connection to where we may not go.

What the server hears is compared byte by byte: these are the promises that must
hold on the wire.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from keyrelay.dispatchers.smtp.connect import system_resolve
from keyrelay.dispatchers.smtp.dispatcher import SmtpDispatcher
from keyrelay.dispatchers.smtp.limits import STANDARD
from keyrelay.dispatchers.smtp.starttls import tls_context
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.outcome import Blame, Deferred, Delivered, Outcome
from tests.contract.certificates import self_signed
from tests.contract.smtp_peer import (
    GIBBERISH,
    HANG_UP,
    HASTY,
    HOST,
    SILENCE,
    Peer,
    Sender,
    mail,
    secret,
    serving,
)
from tests.fakes import Pass

pytest_plugins = ["tests.contract.smtp_fixtures"]

OFFERS = b"250-mail.example.com\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"

UNSAFE: dict[str, tuple[dict[str, bytes], str]] = {
    "STARTTLS is hidden": (
        {"EHLO": b"250-mail.example.com\r\n250 AUTH PLAIN LOGIN\r\n"},
        "the server offers no STARTTLS",
    ),
    "STARTTLS is only mentioned": (
        {"EHLO": b"250-STARTTLS\r\n250-X STARTTLS\r\n250 AUTH PLAIN\r\n"},
        "the server offers no STARTTLS",
    ),
    "a reply is injected before the handshake": (
        {"STARTTLS": b"220 go ahead\r\n250-mail\r\n250 AUTH PLAIN\r\n"},
        "the server sent data before the TLS handshake",
    ),
    "half a reply is injected before the handshake": (
        {"STARTTLS": b"220 go ahead\r\n235"},
        "the server sent data before the TLS handshake",
    ),
    "a reply is injected after the greeting": (
        {"": b"220 mail\r\n250-mail\r\n250 STARTTLS\r\n"},
        "the server sent data before the TLS handshake",
    ),
    "a reply is injected after EHLO": (
        {"EHLO": OFFERS + b"220 go ahead\r\n"},
        "the server sent data before the TLS handshake",
    ),
    "STARTTLS is refused": (
        {"STARTTLS": b"454 4.7.0 TLS not available\r\n"},
        "the server answered the connection with 454 4.7.0 TLS not available",
    ),
    "STARTTLS is refused for good": (
        {"STARTTLS": b"501 5.5.4 no\r\n"},
        "the server answered the connection with 501 5.5.4 no",
    ),
    "STARTTLS is answered with a question": (
        {"STARTTLS": b"334 go on\r\n"},
        "the server answered STARTTLS with 334",
    ),
    "STARTTLS is answered with gibberish": (
        {"STARTTLS": GIBBERISH},
        "the server's reply is unreadable",
    ),
    "the server hangs up on STARTTLS": (
        {"STARTTLS": HANG_UP},
        "the server hung up before TLS",
    ),
    "the server never answers STARTTLS": (
        {"STARTTLS": SILENCE},
        "the server did not answer STARTTLS in 0.5 s",
    ),
    "the greeting refuses": (
        {"": b"554 5.3.2 no service here\r\n"},
        "the server answered the connection with 554 5.3.2 no service here",
    ),
    "there is no greeting": (
        {"": SILENCE},
        "the server did not answer the connection in 0.5 s",
    ),
    "EHLO is not known": (
        {"EHLO": b"502 5.5.1 what\r\n"},
        "the server answered EHLO (KEYRELAY_SMTP_NAME sets the name in it)"
        " with 502 5.5.1 what",
    ),
    "a reply has no end": (
        {"EHLO": b"250-x\r\n" * 4000},
        "the server's reply is too long",
    ),
}


def heard(peer: Peer) -> list[str]:
    return [verb for each in peer.connections for verb in each.verbs]


def is_peers(outcome: Outcome) -> bool:
    return (
        isinstance(outcome, Deferred)
        and outcome.blame is Blame.PEER
        and outcome.spends_attempt
    )


@pytest.mark.parametrize(("says", "reason"), UNSAFE.values(), ids=UNSAFE)
async def test_no_password_where_starttls_goes_wrong(
    sender: Sender, says: dict[str, bytes], reason: str
) -> None:
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        dispatcher = sender.to(peer.port, limits=HASTY)

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert is_peers(outcome)
    assert isinstance(outcome, Deferred)
    assert outcome.reason == reason
    assert set(heard(peer)) <= {"EHLO", "STARTTLS"}
    assert b"AUTH" not in peer.everything


@pytest.mark.parametrize("which", ["expired", "unknown", "wrong name", "self-signed"])
async def test_no_password_to_a_server_whose_certificate_is_bad(
    sender: Sender, tmp_path: Path, which: str
) -> None:
    stranger = trustme.CA()
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    certificates = {
        "expired": sender.authority.issue_cert(HOST, not_after=long_ago),
        "unknown": stranger.issue_cert(HOST),
        "wrong name": sender.authority.issue_cert("mail.example.org"),
        "self-signed": stranger.issue_cert(HOST),
    }
    reasons = {
        "expired": "certificate has expired",
        "unknown": "unable to get local issuer certificate",
        "wrong name": "it is for another name",
        "self-signed": "self-signed certificate",
    }
    async with serving(certificates[which], {}) as peer:
        if which == "self-signed":
            peer.tls.load_cert_chain(self_signed(tmp_path / "server.pem", HOST))
        dispatcher = sender.to(peer.port)

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert is_peers(outcome)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.startswith("the server's certificate was refused: ")
    assert reasons[which] in outcome.reason
    assert heard(peer) == ["EHLO", "STARTTLS"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
async def test_no_password_over_tls_that_is_too_old(sender: Sender) -> None:
    lax = tls_context(sender.ca_file)
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        for context in (lax, peer.tls):
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        peer.tls.maximum_version = ssl.TLSVersion.TLSv1_1
        dispatcher = sender.to(peer.port, tls=lax)

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert outcome == Deferred(
        "TLSv1.1 is too old; TLS 1.2 is needed", blame=Blame.PEER
    )
    assert heard(peer) == ["EHLO", "STARTTLS"]


@pytest.mark.parametrize("mode", [ssl.CERT_REQUIRED, ssl.CERT_NONE])
async def test_no_password_when_the_context_did_not_check_the_name(
    sender: Sender, mode: ssl.VerifyMode
) -> None:
    lax = tls_context(sender.ca_file)
    lax.check_hostname = False
    lax.verify_mode = mode
    async with serving(sender.authority.issue_cert("other.example"), {}) as peer:
        dispatcher = sender.to(peer.port, tls=lax)

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert outcome == Deferred("the server's name was not verified", blame=Blame.PEER)
    assert heard(peer) == ["EHLO", "STARTTLS"]


async def test_what_was_offered_in_clear_is_forgotten(sender: Sender) -> None:
    offers = [OFFERS, b"250-mail.example.com\r\n250 AUTH LOGIN\r\n"]
    auth = {"AUTH": b"334 VXNlcm5hbWU6\r\n"}
    async with serving(
        sender.authority.issue_cert(HOST), {"EHLO": offers, **auth}
    ) as peer:
        await sender.to(peer.port, limits=HASTY).dispatch(mail(), secret(peer.port))

    assert heard(peer)[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
    assert b"AUTH LOGIN\r\n" in peer.everything
    assert b"PLAIN" not in peer.everything


async def test_we_name_ourselves_as_the_operator_says(sender: Sender) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port, name="alerts.example.net")

        await dispatcher.dispatch(mail(), secret(peer.port))

    hellos = [said for said in peer.connections[0].heard if said[:4] == b"EHLO"]
    assert hellos == [b"EHLO alerts.example.net\r\n"] * 2


async def test_without_a_name_we_use_one_that_relays_take(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "worker-3")
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        await sender.to(peer.port).dispatch(mail(), secret(peer.port))

    assert peer.connections[0].heard[0] == b"EHLO example.com\r\n"


@asynccontextmanager
async def speaking_tls_at_once(
    certificate: trustme.LeafCert, says: Mapping[str, bytes | list[bytes]]
) -> AsyncIterator[Peer]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    async with serving(certificate, says) as peer:
        server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=context)
        peer.port = server.sockets[0].getsockname()[1]
        peer.encrypted = True
        async with server:
            yield peer


def at_once(dispatcher: SmtpDispatcher, port: int) -> SmtpDispatcher:
    """Return the dispatcher with TLS at once on that port, as on 465."""
    pool = dispatcher.pool
    opener = replace(pool.opener, tls_at_once={port})
    return replace(dispatcher, pool=replace(pool, opener=opener))


async def test_a_server_may_speak_tls_at_once(sender: Sender) -> None:
    certificate = sender.authority.issue_cert(HOST)
    async with speaking_tls_at_once(certificate, {}) as peer:
        dispatcher = at_once(sender.to(peer.port), peer.port)

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))
        await dispatcher.close()

    assert isinstance(outcome, Delivered)
    assert heard(peer)[:2] == ["EHLO", "AUTH"]


AT_ONCE: dict[str, tuple[str, dict[str, bytes], str]] = {
    "the certificate is for another name": (
        "other.example.com",
        {},
        "the server's certificate was refused: it is for another name",
    ),
    "the greeting refuses": (
        HOST,
        {"": b"554 5.3.2 no service here\r\n"},
        "the server answered the connection with 554 5.3.2 no service here",
    ),
    "the server hangs up": (
        HOST,
        {"": HANG_UP},
        "the server hung up before its greeting",
    ),
    "there is no greeting": (
        HOST,
        {"": SILENCE},
        "the server did not answer the connection in 0.5 s",
    ),
}


@pytest.mark.parametrize(("name", "says", "reason"), AT_ONCE.values(), ids=AT_ONCE)
async def test_no_password_where_tls_at_once_goes_wrong(
    sender: Sender, name: str, says: dict[str, bytes], reason: str
) -> None:
    certificate = sender.authority.issue_cert(name)
    async with speaking_tls_at_once(certificate, says) as peer:
        dispatcher = at_once(sender.to(peer.port, limits=HASTY), peer.port)

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert is_peers(outcome)
    assert isinstance(outcome, Deferred)
    assert outcome.reason == reason
    assert heard(peer) == []


async def test_a_server_that_does_not_speak_tls_at_once_is_told_of(
    sender: Sender,
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = at_once(sender.to(peer.port), peer.port)

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert isinstance(outcome, Deferred)
    assert outcome.reason.startswith("the TLS handshake failed: ")
    assert outcome.reason.endswith("the server does not speak TLS at once")


@pytest.mark.parametrize("name", [HOST, "other.example.com"])
async def test_a_server_that_waits_for_tls_is_recognized(
    sender: Sender, name: str
) -> None:
    certificate = sender.authority.issue_cert(name)
    async with speaking_tls_at_once(certificate, {}) as peer:
        dispatcher = sender.to(peer.port, limits=HASTY)

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert is_peers(outcome)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.startswith("the server waits for TLS at once")
    assert heard(peer) == []


async def test_a_trailing_dot_names_the_same_server(sender: Sender) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        opened = secret(peer.port, host=f"{HOST}.")

        outcome = await sender.to(peer.port).dispatch(mail(), opened)

    assert isinstance(outcome, Delivered)


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["127.0.0.1", "::1"], ["fd00:ec2::254"]],
)
async def test_one_refused_address_refuses_the_host_before_any_connection(
    sender: Sender, addresses: Sequence[str]
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port, addresses=addresses)

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert outcome == Deferred(
        f"smtp_server resolves to {addresses[-1]}, which is not a public address;"
        " KEYRELAY_EGRESS_ALLOW allows networks by name",
        blame=Blame.PEER,
    )
    assert peer.connections == []


async def test_an_address_that_leads_to_another_is_refused_once_connected(
    sender: Sender,
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        # The kernel takes the unspecified address for loopback.
        nowhere = "0.0.0.0"  # noqa: S104 -- nothing binds to it
        dispatcher = sender.to(peer.port, addresses=[nowhere], allowed=nowhere)

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert isinstance(outcome, Deferred)
    assert "127.0.0.1" in outcome.reason
    assert peer.everything == b""


async def test_without_the_operators_word_loopback_is_refused(sender: Sender) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port, allowed="")

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert isinstance(outcome, Deferred)
    assert peer.connections == []


async def test_the_next_address_is_tried_when_one_does_not_answer(
    sender: Sender,
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(
            peer.port, addresses=["127.0.0.9", "127.0.0.1"], allowed="127.0.0.0/8"
        )

        outcome = await dispatcher.dispatch(mail(), secret(peer.port))

    assert isinstance(outcome, Delivered)


async def test_a_server_that_is_down_is_the_peers_matter(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    outcome = await sender.to(port).dispatch(mail(), secret(port))

    assert outcome == Deferred(
        "smtp_server was not reached: Connection refused", blame=Blame.PEER
    )


async def test_a_name_without_addresses_is_the_peers_matter(sender: Sender) -> None:
    outcome = await sender.to(587, addresses=[]).dispatch(mail(), secret(587))

    assert outcome == Deferred(
        "smtp_server was not reached: it has no address", blame=Blame.PEER
    )


async def test_a_name_that_does_not_resolve_is_the_peers_matter(
    sender: Sender,
) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    dispatcher = sender.to(587, resolve=resolve)

    assert await dispatcher.dispatch(mail(), secret(587)) == Deferred(
        "smtp_server was not resolved: Name or service not known", blame=Blame.PEER
    )


async def test_resolving_has_an_end(sender: Sender) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    dispatcher = sender.to(587, resolve=resolve, limits=HASTY)

    assert await dispatcher.dispatch(mail(), secret(587)) == Deferred(
        "smtp_server was not resolved: it took too long", blame=Blame.PEER
    )


async def test_a_server_that_is_slow_over_each_step_of_a_login_is_waited_for(
    sender: Sender, passes: Pass
) -> None:
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port)
        sending = asyncio.create_task(dispatcher.dispatch(mail(), secret(peer.port)))

        for verb, times in [("EHLO", 1), ("STARTTLS", 1), ("EHLO", 2), ("AUTH", 1)]:
            await peer.hears(verb, times)
            passes(0.9 * STANDARD.command.total_seconds())

        assert isinstance(await sending, Delivered)


async def test_the_system_resolves_names_where_nothing_else_is_said() -> None:
    assert "127.0.0.1" in await system_resolve("127.0.0.1", 587)


def test_a_file_without_certificates_is_refused_with_its_settings_name(
    tmp_path: Path,
) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("no certificate")

    for file in (empty, tmp_path / "missing.pem"):
        with pytest.raises(InvalidDefinition, match="KEYRELAY_SMTP_CA_FILE"):
            tls_context(file)


def test_the_context_verifies_names_and_refuses_old_versions() -> None:
    context = tls_context(None)

    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
