"""The action `email-smtp`: its document, and the mail composed for a trigger."""

import html
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from keyrelay.dispatchers.smtp.attachment import Attachment
from keyrelay.dispatchers.smtp.mailbox import (
    Mailbox,
    key_of,
    optional_mailboxes,
    parse_mailbox,
    parse_mailboxes,
)
from keyrelay.dispatchers.smtp.texts import body_text, header_text, is_header_text
from keyrelay.model.action_document import require_secret, require_template
from keyrelay.model.data_point import facts_of
from keyrelay.model.documents import InvalidDefinition, require_text
from keyrelay.model.fields import Field
from keyrelay.model.outcome import NOTHING_LEFT, Fault, Rejected
from keyrelay.model.templates import (
    Fact,
    Facts,
    Scalar,
    Template,
    mentioned,
    plain,
    remarks_on,
)
from keyrelay.model.trigger import Trigger

NAME = "email-smtp"
LARGEST_TEXTS = 10 * 1024 * 1024  # bytes; of subject, text and HTML together
LONGEST_SUBJECT = 1000  # characters
FIELDS = (
    Field(name="smtp_secret", description="The id of the secret to log in with."),
    Field(name="from", description="The sender, like Alerts <alerts@example.com>."),
    Field(name="to", description="The recipients, separated by ; or ,."),
    Field(name="subject", description="The subject, a template."),
    Field(name="message", description="The text, a template.", required=False),
    Field(name="html", description="The same in HTML, a template.", required=False),
    Field(name="cc", description="Further recipients.", required=False),
    Field(name="bcc", description="Recipients that no header shows.", required=False),
    Field(name="reply_to", description="The recipients of replies.", required=False),
)
_TOO_LARGE = Rejected(
    "the trigger's data would fill the mail's texts to more than"
    f" {LARGEST_TEXTS} bytes",
    Fault.TRIGGER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """The mailboxes of an action, by header."""

    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailContent:
    """What recipients read; attachments are sent as they are."""

    subject: Template
    text: Template
    html: Template | None = None
    attachments: tuple[Attachment, ...] = ()

    @property
    def templates(self) -> tuple[Template, ...]:
        html = () if self.html is None else (self.html,)
        return (self.subject, self.text, *html)

    def size(self, facts: Facts) -> int:
        """Return about how many bytes it has once it is filled."""
        files = sum(len(attachment.content) for attachment in self.attachments)
        return files + sum(text.size(facts) for text in self.templates)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailIdentity:
    """The same on every attempt, so that a receiver recognizes a repeated mail.

    See RFC 5322 sections 3.6.4 (Message-ID) and 3.6.1 (Date).
    """

    message_id: str
    date: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSmtp:
    """Send one mail to all recipients (model.action.Instruction)."""

    channel: ClassVar[str] = NAME

    secret: str
    sender: Mailbox
    recipients: Recipients
    content: MailContent

    @property
    def mentions(self) -> frozenset[Fact]:
        return mentioned(self.content.templates)

    @property
    def remarks(self) -> tuple[str, ...]:
        return remarks_on(self.content.templates)

    def check(self, *, fifo: bool) -> None:
        """Accept every SMTP secret."""

    def extent(self, trigger: Trigger) -> int:
        return self.content.size(facts_of(trigger.data, trigger.lifetime.raised_at))

    def compose(self, trigger: Trigger, done: Collection[str]) -> "Mail | Rejected":
        facts = facts_of(trigger.data, trigger.lifetime.raised_at)
        content = self.content
        if content.size(facts) > LARGEST_TEXTS:
            return _TOO_LARGE
        subject = content.subject.fill(facts)
        if (refusal := _refusal(subject)) is not None:
            return refusal
        recipients = _remaining(self.recipients, done)
        if not recipients:
            return NOTHING_LEFT
        return Mail(
            identity=_identity(self.sender, trigger),
            instruction=self,
            recipients=recipients,
            subject=subject,
            text=content.text.fill(facts),
            html=content.html.fill(facts) if content.html else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail with its texts filled.

    `recipients` are the addresses without a final answer yet; the headers name those
    of the `instruction`. The texts are as filled: `compose` replaces what no mail can
    carry, and `replaced` names the texts that have some of that.
    """

    identity: MailIdentity
    instruction: EmailSmtp
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str | None

    @property
    def replaced(self) -> tuple[str, ...]:
        html_ = self.html or ""
        carried = {
            "subject": header_text(self.subject) == self.subject,
            "message": body_text(self.text) == self.text,
            "html": body_text(html_) == html_,
        }
        return tuple(name for name, whole in carried.items() if not whole)


def parse_email_smtp(document: Mapping[str, object]) -> EmailSmtp:
    """Read TagoIO's `email-smtp`, or raise InvalidDefinition."""
    sender = require_text(document.get("from"), "from", longest=400)
    text, html_ = document.get("message"), document.get("html")
    if text is None and html_ is None:
        raise InvalidDefinition("an email-smtp action needs a message, html or both")
    return EmailSmtp(
        secret=require_secret(document, "smtp_secret"),
        sender=parse_mailbox(sender, "from"),
        recipients=Recipients(
            to=parse_mailboxes(document.get("to"), "to"),
            cc=optional_mailboxes(document, "cc"),
            bcc=optional_mailboxes(document, "bcc"),
            reply_to=optional_mailboxes(document, "reply_to"),
        ),
        content=MailContent(
            subject=_subject(document.get("subject")),
            text=require_template("" if text is None else text, "message", shortest=0),
            html=_html(html_),
        ),
    )


def _html(value: object) -> Template | None:
    return None if value is None else require_template(value, "html", render=_escaped)


def _escaped(value: Scalar | None) -> str:
    return html.escape(plain(value))


def _subject(value: object) -> Template:
    text = require_text(value, "subject", longest=500, shortest=0)
    if not is_header_text(text):
        raise InvalidDefinition("subject must not hold control characters")
    return Template.parse(text)


def _refusal(subject: str) -> Rejected | None:
    if len(subject) > LONGEST_SUBJECT:
        return Rejected(
            "the trigger's data would make the subject longer than"
            f" {LONGEST_SUBJECT} characters",
            Fault.TRIGGER,
        )
    return None


def _identity(sender: Mailbox, trigger: Trigger) -> MailIdentity:
    domain = sender.address.rpartition("@")[2]
    return MailIdentity(
        message_id=f"<{trigger.id}.{trigger.profile}@{domain}>",
        date=trigger.lifetime.date,
    )


def _remaining(recipients: Recipients, done: Collection[str]) -> tuple[str, ...]:
    """Return each address once, in the order To, Cc, Bcc, without those in `done`."""
    listed = recipients.to + recipients.cc + recipients.bcc
    settled = {key_of(address) for address in done}
    addresses = {mailbox.key: mailbox.address for mailbox in reversed(listed)}
    ordered = dict.fromkeys(mailbox.key for mailbox in listed)
    return tuple(addresses[key] for key in ordered if key not in settled)
