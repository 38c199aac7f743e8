"""Composing: a mail as the addresses and bytes of an SMTP transaction."""

import email.policy
import re
from collections import Counter
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime

from aiosmtplib.protocol import normalize_message_line_endings

from keyrelay.dispatchers.smtp.action import Mail
from keyrelay.dispatchers.smtp.headers import mailbox_header, text_header
from keyrelay.dispatchers.smtp.mailbox import Mailbox
from keyrelay.dispatchers.smtp.texts import body_text, header_text

# 7 bits: the bytes suit a server without 8BITMIME (RFC 6152) as well.
_POLICY = email.policy.SMTP.clone(cte_type="7bit")
# Written by no person, and answered by no machine: RFC 3834 section 5, and Exchange's
# own header (MS-OXCMAIL 2.1.3.2.20).
_AUTOMATIC = {
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "OOF, AutoReply",
}
# Sent as they are, they get lost or end a line on the way: RFC 2045 section 2.7.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


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

    @property
    def needs_utf8(self) -> bool:
        """Whether an address is beyond ASCII: the rest of a mail is not (RFC 6531)."""
        envelope = "".join((self.sender, *self.recipients))
        return not (envelope.isascii() and self.content.isascii())


def compose(mail: Mail) -> ComposedMail:
    """Compose the mail, with the same headers on every attempt (RFC 5322).

    The headers name all To and Cc recipients, those of earlier attempts as well, and
    no Bcc. Raises HeaderInjected.
    """
    mailboxes, fixed = _mailboxes_by_header(mail), _fixed_headers(mail)
    message = _body(mail)
    head = b"".join(
        [
            *(mailbox_header(*header) for header in mailboxes.items()),
            text_header("Subject", header_text(mail.subject)),
            *(f"{name}: {value}\r\n".encode() for name, value in fixed.items()),
        ]
    )
    # A bare newline, which servers read as the end of a line, becomes CRLF. What would
    # then be a header of its own is found in the bytes that will be sent.
    content = normalize_message_line_endings(head + message.as_bytes())
    expected = Counter([*mailboxes, "Subject", *fixed, *message.keys()])
    if _header_names(content) != expected:
        raise HeaderInjected
    return ComposedMail(
        sender=mail.instruction.sender.address,
        recipients=mail.recipients,
        content=content,
    )


def _fixed_headers(mail: Mail) -> dict[str, str]:
    return {
        "Message-ID": mail.identity.message_id,
        "Date": format_datetime(mail.identity.date),
        **_AUTOMATIC,
    }


def _mailboxes_by_header(mail: Mail) -> dict[str, tuple[Mailbox, ...]]:
    recipients = mail.instruction.recipients
    headers = {
        "From": (mail.instruction.sender,),
        "To": recipients.to,
        "Cc": recipients.cc,
        "Reply-To": recipients.reply_to,
    }
    return {header: mailboxes for header, mailboxes in headers.items() if mailboxes}


def _body(mail: Mail) -> EmailMessage:
    message = _texts(mail)
    for attachment in mail.instruction.content.attachments:
        main, _, sub = attachment.media_type.partition("/")
        message.add_attachment(
            attachment.content, maintype=main, subtype=sub, filename=attachment.name
        )
    return message


def _texts(mail: Mail) -> EmailMessage:
    message, text = EmailMessage(_POLICY), _lines(mail.text)
    if mail.html is None:
        message.set_content(text, cte=_encoding(text))
        return message
    html = _lines(mail.html)
    if text:
        message.set_content(text, cte=_encoding(text))
        message.add_alternative(html, subtype="html", cte=_encoding(html))
    else:
        message.set_content(html, subtype="html", cte=_encoding(html))
    return message


def _lines(text: str) -> str:
    return body_text(text).replace("\r\n", "\n").replace("\r", "\n")


def _encoding(text: str) -> str | None:
    """Return the encoding of a text with controls; None, the library chooses."""
    return "quoted-printable" if _CONTROL.search(text) else None


def _header_names(content: bytes) -> Counter[str]:
    head, _, _ = content.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    # A line that begins with a space continues the one above.
    return Counter(line.partition(":")[0] for line in lines if line[:1] not in " \t")
