import email
import email.policy
import sys
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.smtp.action import EmailSmtp, Mail, MailIdentity, Recipients
from keyrelay.dispatchers.smtp.compose import HeaderInjected, compose
from keyrelay.dispatchers.smtp.mailbox import Mailbox, is_header_text
from keyrelay.model.templates import Template

AFFECTED = sys.version_info < (3, 11, 10)  # by CVE-2024-6923

FORM = EmailSmtp(
    secret="5" * 24,
    sender=Mailbox("us@example.com", "Us, Grüße"),
    recipients=Recipients(
        to=(Mailbox("ada@example.com", "Ada"), Mailbox("bob@example.com")),
        cc=(Mailbox("eve@example.com"),),
        bcc=(Mailbox("hidden@example.com"),),
        reply_to=(Mailbox("reply@example.com"),),
    ),
    subject=Template.parse(""),
    text=Template.parse(""),
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


@given(text=texts, html=st.none() | texts, subject=texts.filter(is_header_text))
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


@given(subject=texts.filter(is_header_text))
def test_a_permitted_subject_never_adds_a_header(subject: str) -> None:
    message = received(replace(MAIL, subject=subject))

    assert message.keys() == received(MAIL).keys()


@pytest.mark.skipif(not AFFECTED, reason="this Python does not decode newlines")
@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?q?a=0ABcc:_evil=40x?=",
        "=?utf-8?q?a=0D=0ABcc:_evil=40x?=",
        "=?utf-8?q?a=0ASubject:_again?=",
        "=?utf-8?q?a=0A=0Abody?=",
        "=?utf-8?b?YQpCY2M6IGV2aWw=?=",
    ],
)
def test_an_injected_header_is_found_before_the_mail_is_sent(subject: str) -> None:
    with pytest.raises(HeaderInjected):
        compose(replace(MAIL, subject=subject))
