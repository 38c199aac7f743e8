"""What a server's replies, and its silence, make of an attempt."""

import asyncio
import base64
from dataclasses import replace

import pytest

from keyrelay.dispatchers.scrub import LONGEST
from keyrelay.dispatchers.smtp.limits import STANDARD, Limits
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Part,
    ReasonClass,
    Rejected,
    Uncertain,
)
from tests.contract.smtp_peer import (
    GIBBERISH,
    HANG_UP,
    HASTY,
    HOST,
    PASSWORD,
    SASL,
    SILENCE,
    USER,
    Peer,
    Sender,
    mail,
    secret,
    serving,
)
from tests.fakes import Pass

pytest_plugins = ["tests.contract.smtp_fixtures"]

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
TO_ADA, TO_BOB, TO_EVE = (f"RCPT TO:<{name}>" for name in (ADA, BOB, EVE))
QUEUED = "250 2.0.0 Ok: queued as 42"

SILENCES = {"hangs up": HANG_UP, "says gibberish": GIBBERISH, "is silent": SILENCE}
UNREADABLE = {
    **SILENCES,
    "has no such code": b"999 what\r\n",
    "asks for more": b"354 go on\r\n",
    "has a code of one digit": b"2 ok\r\n",
}


async def attempt(
    sender: Sender,
    says: dict[str, bytes | list[bytes]],
    to: str = ADA,
    limits: Limits = HASTY,
    password: str = PASSWORD,
) -> tuple[Outcome, Peer]:
    async with serving(sender.authority.issue_cert(HOST), says) as peer:
        dispatcher = sender.to(peer.port, limits=limits)
        opened = secret(peer.port, password=password)
        return await dispatcher.dispatch(mail(to), opened), peer


@pytest.mark.parametrize("reply", UNREADABLE.values(), ids=UNREADABLE)
async def test_no_clear_answer_after_the_message_is_uncertain(
    sender: Sender, reply: bytes
) -> None:
    outcome, peer = await attempt(sender, {".": reply})

    assert isinstance(outcome, Uncertain)
    assert outcome.parts == (Part(ADA, "250 2.0.0 Ok", settled=False),)
    assert len(peer.mails) == 1


@pytest.mark.parametrize("reply", SILENCES.values(), ids=SILENCES)
@pytest.mark.parametrize("verb", ["EHLO", "AUTH", "MAIL", "RCPT", "DATA"])
async def test_no_clear_answer_before_the_message_proves_that_it_was_not_taken(
    sender: Sender, verb: str, reply: bytes
) -> None:
    says: dict[str, bytes | list[bytes]] = {verb: reply}
    if verb == "EHLO":
        says = {"EHLO": [b"250-mail\r\n250 STARTTLS\r\n", reply]}

    outcome, peer = await attempt(sender, says)

    assert isinstance(outcome, Deferred)
    assert outcome.blame is Blame.PEER
    assert outcome.spends_attempt
    assert verb in outcome.reason
    assert peer.mails == []


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            b"554 5.7.1 looks like spam\r\n",
            Rejected(
                "the server answered the message with 554 5.7.1 looks like spam",
                Fault.DEFINITION,
                why=ReasonClass.REFUSED,
            ),
        ),
        (
            b"552 5.3.4 too big\r\n",
            Rejected(
                "the server answered the message with 552 5.3.4 too big",
                Fault.TRIGGER,
                why=ReasonClass.REFUSED,
            ),
        ),
        (
            b"451 4.3.0 no disk\r\n",
            Deferred(
                "the server answered the message with 451 4.3.0 no disk",
                blame=Blame.PEER,
            ),
        ),
        (
            b"421 4.3.2 going down\r\n",
            Deferred(
                "the server answered the message with 421 4.3.2 going down",
                blame=Blame.PEER,
            ),
        ),
    ],
)
async def test_a_refused_message_is_not_uncertain(
    sender: Sender, reply: bytes, expected: Deferred | Rejected
) -> None:
    outcome, _ = await attempt(sender, {".": reply})

    answer = reply.decode().strip()
    assert outcome == replace(expected, parts=(Part(ADA, answer, settled=False),))


async def test_some_refused_for_good_the_rest_have_it(sender: Sender) -> None:
    says: dict[str, bytes | list[bytes]] = {TO_BOB: b"550 5.1.1 no such user\r\n"}

    outcome, peer = await attempt(sender, says, f"{ADA};{BOB};{EVE}")

    assert outcome == Delivered(
        QUEUED.removeprefix("250 "),
        (
            Part(ADA, QUEUED, settled=True),
            Part(BOB, "550 5.1.1 no such user", settled=True),
            Part(EVE, QUEUED, settled=True),
        ),
    )
    assert len(peer.mails) == 1


async def test_some_refused_for_now_only_these_are_left(sender: Sender) -> None:
    says: dict[str, bytes | list[bytes]] = {
        TO_BOB: b"450 4.2.0 busy\r\n",
        TO_EVE: b"550 5.1.1 no such user\r\n",
    }

    outcome, peer = await attempt(sender, says, f"{ADA};{BOB};{EVE}")

    assert outcome == Deferred(
        "the server answered RCPT with 450 4.2.0 busy",
        parts=(
            Part(ADA, QUEUED, settled=True),
            Part(BOB, "450 4.2.0 busy", settled=False),
            Part(EVE, "550 5.1.1 no such user", settled=True),
        ),
    )
    assert len(peer.mails) == 1


async def test_all_refused_for_good_is_the_definitions_fault(sender: Sender) -> None:
    says: dict[str, bytes | list[bytes]] = {
        TO_ADA: b"550 5.1.1 no such user\r\n",
        TO_BOB: b"553 5.1.3 what\r\n",
    }

    outcome, peer = await attempt(sender, says, f"{ADA};{BOB}")

    assert outcome == Rejected(
        "the server answered RCPT with 550 5.1.1 no such user",
        Fault.DEFINITION,
        (
            Part(ADA, "550 5.1.1 no such user", settled=False),
            Part(BOB, "553 5.1.3 what", settled=False),
        ),
        why=ReasonClass.REFUSED,
    )
    assert "DATA" not in peer.connections[0].verbs


async def test_all_refused_and_one_only_for_now_is_tried_again(sender: Sender) -> None:
    says: dict[str, bytes | list[bytes]] = {
        TO_ADA: b"550 5.1.1 no such user\r\n",
        TO_BOB: b"450 4.2.0 busy\r\n",
    }

    outcome, _ = await attempt(sender, says, f"{ADA};{BOB}")

    assert outcome == Deferred(
        "the server answered RCPT with 450 4.2.0 busy",
        parts=(
            Part(ADA, "550 5.1.1 no such user", settled=True),
            Part(BOB, "450 4.2.0 busy", settled=False),
        ),
    )


async def test_uncertain_leaves_out_only_recipients_refused_for_good(
    sender: Sender,
) -> None:
    says: dict[str, bytes | list[bytes]] = {
        TO_BOB: b"550 5.1.1 no such user\r\n",
        ".": HANG_UP,
    }

    outcome, _ = await attempt(sender, says, f"{ADA};{BOB}")

    assert outcome == Uncertain(
        "the server hung up after the message",
        (
            Part(ADA, "250 2.0.0 Ok", settled=False),
            Part(BOB, "550 5.1.1 no such user", settled=True),
        ),
    )


async def test_data_refused_after_recipients_were_taken(sender: Sender) -> None:
    outcome, peer = await attempt(sender, {"DATA": b"451 4.3.0 later\r\n"})

    assert outcome == Deferred(
        "the server answered DATA with 451 4.3.0 later",
        blame=Blame.PEER,
        parts=(Part(ADA, "451 4.3.0 later", settled=False),),
    )
    assert peer.mails == []


async def test_a_server_that_closes_among_recipients_is_asked_nothing_more(
    sender: Sender,
) -> None:
    says: dict[str, bytes | list[bytes]] = {TO_BOB: b"421 4.3.2 going down\r\n"}

    outcome, peer = await attempt(sender, says, f"{ADA};{BOB};{EVE}")

    assert outcome == Deferred(
        "the server answered RCPT with 421 4.3.2 going down", blame=Blame.PEER
    )
    assert peer.connections[0].verbs[-1] == "RCPT"
    assert len(peer.connections[0].verbs) == 7


async def test_a_refused_sender_is_the_definitions_fault(sender: Sender) -> None:
    says: dict[str, bytes | list[bytes]] = {"MAIL": b"553 5.7.1 not yours\r\n"}

    outcome, _ = await attempt(sender, says)

    assert outcome == Rejected(
        "the server answered MAIL with 553 5.7.1 not yours",
        Fault.DEFINITION,
        why=ReasonClass.REFUSED,
    )


@pytest.mark.parametrize("code", [b"535 5.7.8", b"534 5.7.9", b"530 5.7.0", b"550"])
async def test_a_refused_login_is_not_repeated_with_another_mechanism(
    sender: Sender, code: bytes
) -> None:
    outcome, peer = await attempt(sender, {"AUTH": code + b" no\r\n"})

    assert outcome == Deferred(
        f"the server answered AUTH with {code.decode()} no",
        spends_attempt=False,
        blame=Blame.CREDENTIAL,
    )
    assert peer.connections[0].verbs.count("AUTH") == 1
    assert b"AUTH PLAIN " + SASL in peer.everything


async def test_a_login_put_off_is_the_peers_matter(sender: Sender) -> None:
    says: dict[str, bytes | list[bytes]] = {"AUTH": b"454 4.7.0 try later\r\n"}

    outcome, _ = await attempt(sender, says)

    assert outcome == Deferred(
        "the server answered AUTH with 454 4.7.0 try later", blame=Blame.PEER
    )


async def test_a_server_that_refuses_us_after_the_handshake_hears_no_password(
    sender: Sender,
) -> None:
    says: dict[str, bytes | list[bytes]] = {
        "EHLO": [b"250-mail\r\n250 STARTTLS\r\n", b"550 5.7.1 not you\r\n"]
    }

    outcome, peer = await attempt(sender, says)

    assert outcome == Deferred(
        "the server answered EHLO (KEYRELAY_SMTP_NAME sets the name in it)"
        " with 550 5.7.1 not you",
        blame=Blame.PEER,
    )
    assert "AUTH" not in peer.connections[0].verbs


async def test_login_is_used_where_plain_is_not_offered(sender: Sender) -> None:
    user = base64.b64encode(USER.encode()).decode()
    password = base64.b64encode(PASSWORD.encode()).decode()
    says: dict[str, bytes | list[bytes]] = {
        "EHLO": b"250-mail\r\n250-STARTTLS\r\n250 AUTH=LOGIN\r\n",
        "AUTH": b"334 VXNlcm5hbWU6\r\n",
        user: b"334 UGFzc3dvcmQ6\r\n",
        password: b"235 welcome\r\n",
    }

    outcome, peer = await attempt(sender, says)

    assert isinstance(outcome, Delivered)
    assert peer.connections[0].verbs[3:6] == ["AUTH", user, password]


async def test_a_user_refused_by_login_never_hears_the_password(
    sender: Sender,
) -> None:
    user = base64.b64encode(USER.encode()).decode()
    says: dict[str, bytes | list[bytes]] = {
        "EHLO": b"250-mail\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n",
        "AUTH": b"334 VXNlcm5hbWU6\r\n",
        user: b"535 5.7.8 no\r\n",
    }

    outcome, peer = await attempt(sender, says)

    assert isinstance(outcome, Deferred)
    assert outcome.blame is Blame.CREDENTIAL
    assert user.encode() in peer.everything
    assert base64.b64encode(PASSWORD.encode()) not in peer.everything


async def test_a_server_with_neither_mechanism_is_left_alone(sender: Sender) -> None:
    says: dict[str, bytes | list[bytes]] = {
        "EHLO": b"250-mail\r\n250-STARTTLS\r\n250 AUTH CRAM-MD5 XOAUTH2\r\n"
    }

    outcome, peer = await attempt(sender, says)

    assert outcome == Deferred(
        "the server offers AUTH CRAM-MD5 XOAUTH2, but neither PLAIN nor LOGIN",
        blame=Blame.PEER,
    )
    assert "AUTH" not in peer.connections[0].verbs


TLS, OFFERED = b"250-mail\r\n250 STARTTLS\r\n", b"250-mail\r\n250 AUTH PLAIN LOGIN\r\n"

OFFERS = {
    "in lower case": b"250-mail\r\n250 auth plain login\r\n",
    "with a tabulator and more spaces": b"250-mail\r\n250 AUTH\tPLAIN   LOGIN \r\n",
    "twice, in the old form too": b"250-m\r\n250-AUTH=LOGIN\r\n250 AUTH PLAIN\r\n",
    "after an empty first line": b"250-\r\n250 AUTH PLAIN LOGIN\r\n",
    "in a line that ends with LF alone": b"250-mail\n250 AUTH PLAIN\n",
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
async def test_what_a_server_offers_is_read_tolerantly(
    sender: Sender, offer: bytes
) -> None:
    outcome, _ = await attempt(sender, {"EHLO": [TLS, offer]})

    assert isinstance(outcome, Delivered)


async def test_no_auth_at_all_is_said(sender: Sender) -> None:
    outcome, _ = await attempt(sender, {"EHLO": [TLS, b"250-m\r\n250 SIZE 9\r\n"]})

    assert isinstance(outcome, Deferred)
    assert outcome.reason == "the server offers no AUTH"


@pytest.mark.parametrize("code", [b"504 5.5.4", b"500 5.5.2", b"502", b"501 5.5.4"])
async def test_login_follows_a_refusal_that_judged_no_password(
    sender: Sender, code: bytes
) -> None:
    plain = f"AUTH PLAIN {SASL.decode()}"
    says: dict[str, bytes | list[bytes]] = {
        "EHLO": [TLS, OFFERED],
        plain: code + b" unknown mechanism\r\n",
    }

    outcome, peer = await attempt(sender, says)

    assert isinstance(outcome, Delivered)
    assert peer.connections[0].verbs.count("AUTH") == 2


async def test_a_server_that_takes_no_mechanism_pauses_no_secret(
    sender: Sender,
) -> None:
    says: dict[str, bytes | list[bytes]] = {
        "EHLO": [TLS, OFFERED],
        "AUTH": b"504 5.5.4 unknown mechanism\r\n",
    }

    outcome, _ = await attempt(sender, says)

    assert outcome == Deferred(
        "the server offers AUTH PLAIN LOGIN and answers it with"
        " 504 5.5.4 unknown mechanism",
        blame=Blame.PEER,
    )


async def test_a_password_that_plain_is_asked_for_is_sent(sender: Sender) -> None:
    says: dict[str, bytes | list[bytes]] = {
        "AUTH": b"334 \r\n",
        SASL.decode(): b"235 welcome\r\n",
    }

    outcome, peer = await attempt(sender, says)

    assert isinstance(outcome, Deferred | Delivered)
    assert peer.connections[0].verbs[3:5] == ["AUTH", SASL.decode()]


@pytest.mark.parametrize("verb", ["AUTH", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("code", [b"535", b"450", b"250"])
async def test_what_a_server_echoes_is_scrubbed(
    sender: Sender, verb: str, code: bytes
) -> None:
    forms = (
        PASSWORD.encode(),
        SASL,
        base64.b64encode(PASSWORD.encode()),
        USER.encode(),
    )
    reply = code + b" you said " + b" and ".join(forms) + b"\r\n"

    outcome, _ = await attempt(sender, {verb: reply})

    assert PASSWORD not in repr(outcome)
    assert USER not in repr(outcome)
    assert SASL.decode()[4:-4] not in repr(outcome)
    assert base64.b64encode(PASSWORD.encode()).decode()[:12] not in repr(outcome)


@pytest.mark.parametrize("password", ["server", "answered", "MESSAGE", "the", "e"])
async def test_our_own_words_are_not_scrubbed(sender: Sender, password: str) -> None:
    reply = b"554 no " + password.swapcase().encode() + b"\r\n"

    outcome, _ = await attempt(sender, {".": reply}, password=password)

    assert isinstance(outcome, Rejected)
    ours, said = outcome.reason.split(" with 554 ")
    assert ours == "the server answered the message"
    assert said == "no ***"


async def test_a_long_answer_is_bounded(sender: Sender) -> None:
    outcome, _ = await attempt(sender, {".": b"554 " + b"x" * 5000 + b"\r\n"})

    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("the server answered the message with 554 xxx")
    assert outcome.reason.count("x") == LONGEST - 1
    assert outcome.parts[0].answer.count("x") == LONGEST - 1


async def test_a_server_that_is_slow_over_each_recipient_gets_the_mail(
    sender: Sender, passes: Pass
) -> None:
    most = STANDARD.command.total_seconds()
    many = mail(", ".join(f"{number}@example.com" for number in range(10)))
    async with serving(sender.authority.issue_cert(HOST), {}) as peer:
        dispatcher = sender.to(peer.port)
        sending = asyncio.create_task(dispatcher.dispatch(many, secret(peer.port)))

        for count in range(1, 11):
            await peer.hears("RCPT", count)
            passes(0.9 * most)

        assert isinstance(await sending, Delivered)


async def test_the_size_is_told_where_the_server_asks_for_it(sender: Sender) -> None:
    _, peer = await attempt(sender, {})

    content = peer.mails[0].removesuffix(b".\r\n")
    size = b"MAIL FROM:<us@example.com> SIZE=%d\r\n" % len(content)
    assert size in peer.everything


UTF8 = b"250-mail\r\n250-SMTPUTF8\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"


async def test_an_address_beyond_ascii_uses_smtputf8(sender: Sender) -> None:
    outcome, peer = await attempt(sender, {"EHLO": UTF8}, "Jörg <jörg@bücher.example>")

    assert isinstance(outcome, Delivered)
    assert b" BODY=8BITMIME SMTPUTF8\r\n" in peer.everything
    assert "RCPT TO:<jörg@xn--bcher-kva.example>".encode() in peer.everything
    assert "<jörg@xn--bcher-kva.example>".encode() in peer.mails[0]


async def test_without_smtputf8_such_an_address_is_refused_and_said(
    sender: Sender,
) -> None:
    outcome, peer = await attempt(sender, {}, "jörg@example.com")

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.DEFINITION
    assert "SMTPUTF8" in outcome.reason
    assert "MAIL" not in peer.connections[0].verbs
