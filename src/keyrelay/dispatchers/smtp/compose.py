"""Composing: a mail as the addresses and bytes of an SMTP transaction."""

import email.policy
from collections import Counter
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from functools import lru_cache

from aiosmtplib.protocol import normalize_message_line_endings

from keyrelay.dispatchers.smtp.action import Mail
from keyrelay.dispatchers.smtp.mailbox import Mailbox

# 7 bits: the bytes suit a server without 8BITMIME (RFC 6152) as well.
_POLICY = email.policy.SMTP.clone(cte_type="7bit")


class HeaderInjected(Exception):
    """A text of the mail would add a header to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedMail:
    """The addresses for MAIL and RCPT, and the content for DATA.

    In `content` every line ends with CRLF (RFC 5321 section 2.3.8).
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes


def compose(mail: Mail) -> ComposedMail:
    """Compose the mail, with the same headers on every attempt (RFC 5322).

    The headers name all To and Cc recipients, those of earlier attempts as well, and
    no Bcc. Raises HeaderInjected.
    """
    mailboxes = _mailboxes_by_header(mail)
    message = EmailMessage(_POLICY)
    message["Subject"] = mail.subject
    message["Message-ID"] = mail.identity.message_id
    message["Date"] = mail.identity.date
    _fill(message, mail)
    block = b"".join(_header_line(*header) for header in mailboxes.items())
    # Python before 3.11.10 turns newlines in encoded-words into headers
    # (CVE-2024-6923). So the bytes that will be sent are checked, after a bare
    # newline, which servers read as the end of a line, has become CRLF.
    content = normalize_message_line_endings(block + message.as_bytes())
    if _header_names(content) != Counter([*mailboxes, *message.keys()]):
        raise HeaderInjected
    return ComposedMail(
        sender=mail.instruction.sender.address,
        recipients=mail.recipients,
        content=content,
    )


def _mailboxes_by_header(mail: Mail) -> dict[str, tuple[Mailbox, ...]]:
    recipients = mail.instruction.recipients
    headers = {
        "From": (mail.instruction.sender,),
        "To": recipients.to,
        "Cc": recipients.cc,
        "Reply-To": recipients.reply_to,
    }
    return {header: mailboxes for header, mailboxes in headers.items() if mailboxes}


@lru_cache(maxsize=1024)
def _header_line(header: str, mailboxes: tuple[Mailbox, ...]) -> bytes:
    """Return the folded header. It is cached, as an action's mails have the same."""
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
