"""Composing: a mail as the bytes and the envelope that go over the wire."""

import email.policy
from collections import Counter
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from functools import lru_cache

from aiosmtplib.protocol import normalize_message_line_endings

from keyrelay.dispatchers.smtp.action import Mail
from keyrelay.dispatchers.smtp.mailbox import Mailbox

# 7 bits: a server without 8BITMIME is sent the same bytes as any other.
_POLICY = email.policy.SMTP.clone(cte_type="7bit")


class HeaderInjected(Exception):
    """The composed header block is not made of the headers that were meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedMail:
    """What MAIL, RCPT and DATA are given; `content` has CRLF for every line end."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


def compose(mail: Mail) -> ComposedMail:
    """Return `mail` with the same headers on every attempt, or raise HeaderInjected.

    The headers name all To and Cc, also those who have had it; Bcc is in none.
    """
    addressed = _addressed(mail)
    message = EmailMessage(_POLICY)
    message["Subject"] = mail.subject
    message["Message-ID"] = mail.stamp.message_id
    message["Date"] = mail.stamp.date
    _fill(message, mail)
    block = b"".join(_address_header(*header) for header in addressed.items())
    # Python before 3.11.10 makes headers of newlines in encoded-words
    # (CVE-2024-6923): what is about to be sent is looked at, not what was set, and
    # only once a bare newline, which servers take for a line's end, looks like one.
    content = normalize_message_line_endings(block + message.as_bytes())
    if _header_names(content) != Counter([*addressed, *message.keys()]):
        raise HeaderInjected
    return ComposedMail(
        sender=mail.form.sender.address,
        recipients=mail.recipients,
        content=content,
    )


def _addressed(mail: Mail) -> dict[str, tuple[Mailbox, ...]]:
    recipients = mail.form.recipients
    headers = {
        "From": (mail.form.sender,),
        "To": recipients.to,
        "Cc": recipients.cc,
        "Reply-To": recipients.reply_to,
    }
    return {header: mailboxes for header, mailboxes in headers.items() if mailboxes}


@lru_cache(maxsize=1024)
def _address_header(header: str, mailboxes: tuple[Mailbox, ...]) -> bytes:
    """Fold it once: an action's addresses are the same in all of its mails."""
    addresses = [
        Address(mailbox.name, addr_spec=mailbox.address) for mailbox in mailboxes
    ]
    return _POLICY.fold_binary(header, _POLICY.header_factory(header, addresses))


def _fill(message: EmailMessage, mail: Mail) -> None:
    if mail.html is None:
        message.set_content(mail.text)
    elif mail.text:
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
    else:
        message.set_content(mail.html, subtype="html")


def _header_names(content: bytes) -> Counter[str]:
    head, _, _ = content.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    # A line that begins with a space continues the one above.
    return Counter(line.partition(":")[0] for line in lines if line[:1] not in " \t")
