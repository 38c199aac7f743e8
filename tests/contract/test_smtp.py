"""Mails over a real STARTTLS server: what arrives, and what is said of it."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from keyrelay.dispatchers.smtp.dispatcher import SmtpDispatcher
from keyrelay.model.outcome import Blame, Deferred, Delivered, Fault, Part, Rejected
from keyrelay.model.secret import SecretValue
from tests.contract.smtp_peer import (
    HOST,
    PASSWORD,
    USER,
    Sender,
    mail,
    secret,
)

pytest_plugins = ["tests.contract.smtp_fixtures"]


@dataclass(slots=True)
class Office:
    """A mailbox behind aiosmtpd that knows one user."""

    port: int = 0
    mechanisms: list[str] = field(default_factory=list)
    logins: list[bool] = field(default_factory=list)
    received: list[Envelope] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 -- aiosmtpd's name for it
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.received.append(envelope)
        return "250 2.0.0 Ok: queued as 42"

    def authenticate(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        mechanism: str,
        data: object,
    ) -> AuthResult:
        self.mechanisms.append(mechanism)
        known = data == LoginPassword(USER.encode(), PASSWORD.encode())
        self.logins.append(known)
        return AuthResult(success=known, handled=False)


@pytest.fixture
async def office(sender: Sender) -> AsyncIterator[Office]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    sender.authority.issue_cert(HOST).configure_cert(context)
    office = Office()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            office,
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=office.authenticate,
        ),
        host="127.0.0.1",
        port=0,
    )
    office.port = server.sockets[0].getsockname()[1]
    yield office
    server.close()


@pytest.fixture
def dispatcher(sender: Sender, office: Office) -> SmtpDispatcher:
    return sender.to(office.port)


def content(office: Office, number: int = 0) -> bytes:
    received = office.received[number].original_content
    assert received is not None
    return received


async def test_a_mail_arrives_over_starttls_with_one_login(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    outcome = await dispatcher.dispatch(mail(), secret(office.port))

    assert outcome == Delivered(
        "2.0.0 Ok: queued as 42",
        (Part("ada@example.com", "250 2.0.0 Ok: queued as 42", settled=True),),
    )
    assert office.logins == [True]
    assert office.mechanisms == ["PLAIN"]
    assert office.received[0].mail_from == "us@example.com"
    assert office.received[0].rcpt_tos == ["ada@example.com"]


async def test_two_attempts_at_one_mail_have_the_same_id_and_date(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    await dispatcher.dispatch(mail(), secret(office.port))
    await dispatcher.dispatch(mail(), secret(office.port))

    stamp = b"Message-ID: <t1.p1@example.com>\r\nDate: Fri, 02 Jan 2026 11:00:00 +0000"
    assert stamp in content(office, 0)
    assert content(office, 0) == content(office, 1)


async def test_text_and_html_arrive_as_they_were_written(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    text = "Grüße\n.\n..dots\n\rlone\r\n" + "long " * 400
    html = "<p>Grüße</p>"

    await dispatcher.dispatch(mail(text=text, html=html), secret(office.port))

    received = email.message_from_bytes(content(office), policy=email.policy.default)
    plain, rich = received.iter_parts()
    assert plain.get_content().splitlines() == text.splitlines()
    assert rich.get_content().splitlines() == [html]
    assert rich.get_content_type() == "text/html"


async def test_hidden_recipients_are_served_and_never_named(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    message = mail("ada@example.com", bcc="eve@example.com")

    await dispatcher.dispatch(message, secret(office.port))

    assert office.received[0].rcpt_tos == ["ada@example.com", "eve@example.com"]
    assert b"eve" not in content(office)
    assert b"bcc" not in content(office).lower()


async def test_only_the_recipients_that_are_left_are_served(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    whole = mail("ada@example.com; bob@example.com")

    await dispatcher.dispatch(
        replace(whole, recipients=("bob@example.com",)), secret(office.port)
    )

    assert office.received[0].rcpt_tos == ["bob@example.com"]
    assert b"To: ada@example.com, bob@example.com" in content(office)


async def test_a_mail_without_recipients_left_is_delivered_without_a_connection(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    outcome = await dispatcher.dispatch(
        replace(mail(), recipients=()), secret(office.port)
    )

    assert isinstance(outcome, Delivered)
    assert office.received == []


@pytest.mark.parametrize(
    "value",
    [
        '{"smtp_server": "mail.example.com"}',
        "no json",
        '{"smtp_server": "mail.example.com", "smtp_port": 25, "username": "u",'
        ' "password": "p"}',
    ],
    ids=["a field is missing", "not JSON", "a port no longer allowed"],
)
async def test_a_secret_that_the_rules_refuse_is_the_definitions_fault(
    dispatcher: SmtpDispatcher, office: Office, value: str
) -> None:
    opened = replace(secret(office.port), value=SecretValue(value))

    outcome = await dispatcher.dispatch(mail(), opened)

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.DEFINITION
    assert outcome.reason.startswith("the secret is refused: ")


async def test_a_secret_of_another_type_is_the_definitions_fault(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    opened = secret(office.port)
    opened = replace(opened, secret=replace(opened.secret, type="text"))

    assert await dispatcher.dispatch(mail(), opened) == Rejected(
        "the action's secret is not of type smtp", Fault.DEFINITION
    )


async def test_a_mail_whose_texts_make_a_header_is_never_sent(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    injected = replace(mail(), subject="x =?utf-8?q?=0ABcc:_eve=40x?=")

    outcome = await dispatcher.dispatch(injected, secret(office.port))

    # A Python that is not affected sends the text as it is.
    if office.received:
        assert b"\nBcc:" not in content(office)
    else:
        assert outcome == Rejected("the mail's texts would make headers", Fault.TRIGGER)


async def test_a_wrong_password_is_tried_once_and_spends_nothing(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    opened = secret(office.port)
    wrong = replace(
        opened,
        value=SecretValue(opened.value.reveal().replace(PASSWORD, "another one")),
    )

    outcome = await dispatcher.dispatch(mail(), wrong)

    assert isinstance(outcome, Deferred)
    assert outcome.blame is Blame.CREDENTIAL
    assert not outcome.spends_attempt
    assert outcome.reason.startswith("the server answered AUTH with 535")
    assert office.logins == [False]


async def test_many_lanes_with_a_wrong_password_try_it_once(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    opened = secret(office.port)
    wrong = replace(
        opened,
        value=SecretValue(opened.value.reveal().replace(PASSWORD, "another one")),
    )

    outcomes = await asyncio.gather(
        *(dispatcher.dispatch(mail(), wrong) for _ in range(32))
    )

    assert office.logins == [False]
    assert {type(outcome) for outcome in outcomes} == {Deferred}


async def test_many_lanes_are_all_delivered(
    dispatcher: SmtpDispatcher, office: Office
) -> None:
    outcomes = await asyncio.gather(
        *(dispatcher.dispatch(mail(), secret(office.port)) for _ in range(30))
    )

    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert len(office.received) == 30
    assert len(office.logins) <= 8
