import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.smtp.action import (
    EmailSmtp,
    Mail,
    MailContent,
    MailIdentity,
    Recipients,
)
from keyrelay.dispatchers.smtp.compose import HeaderInjected, compose
from keyrelay.dispatchers.smtp.mailbox import Mailbox
from keyrelay.model.templates import Template

FORM = EmailSmtp(
    secret="5" * 24,
    sender=Mailbox("us@example.com", "Us, Grüße"),
    recipients=Recipients(
        to=(Mailbox("ada@example.com", "Ada"), Mailbox("bob@example.com")),
        cc=(Mailbox("eve@example.com"),),
        bcc=(Mailbox("hidden@example.com"),),
        reply_to=(Mailbox("reply@example.com"),),
    ),
    content=MailContent(subject=Template.parse(""), text=Template.parse("")),
)
MAIL = Mail(
    identity=MailIdentity(
        message_id="<t1.p1@example.com>", date=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    ),
    instruction=FORM,
    recipients=("ada@example.com",),
    subject="Hello",
    text="Hello Ada",
    html=None,
)
texts = st.text(st.characters(codec="utf-8"), max_size=200)


def received(mail: Mail) -> EmailMessage:
    return email.message_from_bytes(compose(mail).content, policy=email.policy.default)


def test_a_mail_has_these_headers_and_no_other() -> None:
    message = received(MAIL)

    assert dict(message.items()) == {
        "From": '"Us, Grüße" <us@example.com>',
        "To": "Ada <ada@example.com>, bob@example.com",
        "Cc": "eve@example.com",
        "Reply-To": "reply@example.com",
        "Subject": "Hello",
        "Message-ID": "<t1.p1@example.com>",
        "Date": "Fri, 02 Jan 2026 03:04:00 +0000",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "7bit",
        "MIME-Version": "1.0",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
    }


def test_headers_without_an_address_are_left_out() -> None:
    form = replace(FORM, recipients=Recipients(to=FORM.recipients.to))

    message = received(replace(MAIL, instruction=form))

    assert "Cc" not in message
    assert "Reply-To" not in message


def test_hidden_recipients_are_not_in_the_content() -> None:
    content = compose(replace(MAIL, recipients=("hidden@example.com",))).content

    assert b"hidden" not in content
    assert b"bcc" not in content.lower()


def test_only_remaining_recipients_are_offered() -> None:
    envelope = compose(MAIL)

    assert envelope.sender == "us@example.com"
    assert envelope.recipients == ("ada@example.com",)


@pytest.mark.parametrize(
    ("text", "html", "kinds"),
    [
        ("Hello", None, ["text/plain"]),
        ("", None, ["text/plain"]),
        ("Hello", "<p>Hello</p>", ["multipart/alternative", "text/plain", "text/html"]),
        ("", "<p>Hello</p>", ["text/html"]),
    ],
)
def test_the_content_type_follows_from_the_given_texts(
    text: str, html: str | None, kinds: list[str]
) -> None:
    message = received(replace(MAIL, text=text, html=html))

    assert [part.get_content_type() for part in message.walk()] == kinds


@given(text=texts, html=st.none() | texts, subject=texts)
def test_whatever_is_sent_is_seven_bits_in_short_lines(
    text: str, html: str | None, subject: str
) -> None:
    content = compose(replace(MAIL, text=text, html=html, subject=subject)).content

    assert content.isascii()
    assert content.endswith(b"\r\n")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert max(map(len, content.split(b"\r\n"))) <= 998


@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Z"])))
def test_a_text_arrives_as_it_was_written(text: str) -> None:
    content = received(replace(MAIL, text=text)).get_content()

    assert content.rstrip("\r\n") == text


@given(subject=texts)
def test_a_permitted_subject_never_adds_a_header(subject: str) -> None:
    message = received(replace(MAIL, subject=subject))

    assert message.keys() == received(MAIL).keys()


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?q?a=0ABcc:_evil=40x?=",
        "=?utf-8?q?a=0D=0ASubject:_again?=",
        "=?utf-8?b?YQpCY2M6IGV2aWw=?=",
        "a\r\nBcc: evil@x.example",
        "a\u2028Bcc: evil@x.example",
    ],
)
def test_a_subject_that_would_forge_a_header_is_text(subject: str) -> None:
    mail = replace(MAIL, subject=subject)

    assert received(mail).keys() == received(MAIL).keys()
    assert b"Subject: =?utf-8?" in compose(mail).content or "\n" in subject


def test_a_header_that_was_not_asked_for_ends_the_attempt() -> None:
    forged = MailIdentity(
        message_id="<t1@x>\nBcc: evil@x.example", date=MAIL.identity.date
    )

    with pytest.raises(HeaderInjected):
        compose(replace(MAIL, identity=forged))


CONTROLS = "".join(map(chr, [*range(0x20), 0x7F]))


@given(st.text(st.sampled_from(CONTROLS + "a \u0085\u2028é"), max_size=60))
def test_no_control_character_is_sent_as_it_is(text: str) -> None:
    mail = replace(MAIL, text=text, html=f"<p>{text}")

    content = compose(mail).content
    parts = received(mail).walk()
    texts_ = [part.get_content() for part in parts if not part.is_multipart()]

    assert not set(content) & ({*range(0x20), 0x7F} - set(b"\t\r\n"))
    wanted = text.replace("\0", "\u2400").replace("\r\n", "\n").replace("\r", "\n")
    got = texts_[-1].replace("\r\n", "\n")
    assert got.removesuffix("\n") == f"<p>{wanted}".removesuffix("\n")


def test_the_texts_whose_characters_were_replaced_are_named() -> None:
    assert MAIL.replaced == ()
    assert replace(MAIL, subject="a\tb", text="\0", html="\0").replaced == (
        "subject",
        "message",
        "html",
    )
    assert replace(MAIL, text="a\r\n\tb\x01").replaced == ()
