"""Service: a mail that a script asks to be sent, with its credential."""

from collections.abc import Collection, Mapping
from functools import partial

from keyrelay.dispatchers.smtp.action import (
    LARGEST_TEXTS,
    LONGEST_SUBJECT,
    EmailSmtp,
    MailContent,
    Recipients,
)
from keyrelay.dispatchers.smtp.attachment import FIELDS as ATTACHMENT_FIELDS
from keyrelay.dispatchers.smtp.attachment import parse_attachment
from keyrelay.dispatchers.smtp.credentials import smtp_credentials, smtp_secret
from keyrelay.dispatchers.smtp.mailbox import (
    Mailbox,
    optional_mailboxes,
    parse_mailbox,
    parse_mailboxes,
)
from keyrelay.model.credentials import parse_credential
from keyrelay.model.documents import InvalidDefinition, refuse_unknown, require_text
from keyrelay.model.fields import Field, all_names, schema_of
from keyrelay.model.service_call import ServiceCall, ServiceType
from keyrelay.model.templates import Template

CREDENTIAL = "smtp_secret"
_TEXT = {"type": ["string", "null"]}
FIELDS = (
    Field(
        name=CREDENTIAL,
        description="The value of a secret of type smtp.",
        schema={"type": ["string", "object"]},
    ),
    Field(
        name="to",
        description="The recipients, in a list, or separated by ; or ,.",
        schema={"type": ["string", "array"], "items": {"type": "string"}},
    ),
    Field(name="subject", description="The subject."),
    *(
        Field(name=name, description=description, schema=_TEXT, required=False)
        for name, description in (
            ("message", "The text."),
            ("html", "The same in HTML."),
            ("from", "The sender's address, or a name beside the user name."),
            ("cc", "Further recipients."),
            ("bcc", "Recipients that no header shows."),
            ("reply_to", "The recipients of replies."),
        )
    ),
    Field(
        name="attachment",
        description="A file that the mail takes along.",
        schema={"anyOf": [schema_of(ATTACHMENT_FIELDS), {"type": "null"}]},
        required=False,
    ),
)
_NO_ADDRESS = (
    "from must be an address like alerts@example.com, as the user name of the"
    " credential is none"
)


def mail_service(ports: Collection[int]) -> ServiceType:
    """Return the service; the operator allows these ports."""
    return ServiceType(credential=CREDENTIAL, parse=partial(parse_mail, ports))


def parse_mail(ports: Collection[int], document: Mapping[str, object]) -> ServiceCall:
    """Read what `Services.smtp.send` of TagoIO's client sends.

    Raises InvalidDefinition.
    """
    given = {name: value for name, value in document.items() if value is not None}
    if "template" in given:
        raise InvalidDefinition(
            "there are no mail templates here: give a subject, and message or html"
        )
    refuse_unknown(given, all_names(FIELDS), "the mail of a script")
    credential = parse_credential(given, CREDENTIAL, smtp_secret(ports))
    username = smtp_credentials(credential, ports).username
    instruction = EmailSmtp(
        secret="",
        sender=_sender(given.get("from"), username),
        recipients=Recipients(
            to=_to(given.get("to")),
            cc=optional_mailboxes(given, "cc"),
            bcc=optional_mailboxes(given, "bcc"),
            reply_to=optional_mailboxes(given, "reply_to"),
        ),
        content=_content(given),
    )
    return ServiceCall(credential=credential, instruction=instruction)


def _to(value: object) -> tuple[Mailbox, ...]:
    # TagoIO's client joins a list so; other programs may send it as it is.
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = ",".join(value)
    return parse_mailboxes(value, "to")


def _sender(given: object, username: str) -> Mailbox:
    """Return the sender: an address, or a name beside that of the credential.

    TagoIO's clients call `from` the sender's name, and its actions an address.
    """
    if given is None:
        return _own_address(username)
    text = require_text(given, "from", longest=400)
    if "@" in text:
        return parse_mailbox(text, "from")
    own, quoted = _own_address(username), text.replace("\\", r"\\").replace('"', r"\"")
    return parse_mailbox(f'"{quoted}" <{own.address}>', "from")


def _own_address(username: str) -> Mailbox:
    try:
        return Mailbox(parse_mailbox(username, "username").address)
    except InvalidDefinition:
        raise InvalidDefinition(_NO_ADDRESS) from None


def _content(given: Mapping[str, object]) -> MailContent:
    if "message" not in given and "html" not in given:
        raise InvalidDefinition("the mail of a script needs a message, html or both")
    file = given.get("attachment")
    html = given.get("html")
    return MailContent(
        subject=_text(given.get("subject"), "subject", LONGEST_SUBJECT),
        text=_text(given.get("message", ""), "message", LARGEST_TEXTS),
        html=None if html is None else _text(html, "html", LARGEST_TEXTS),
        attachments=() if file is None else (parse_attachment(file),),
    )


def _text(value: object, what: str, longest: int) -> Template:
    return Template.fixed(require_text(value, what, longest=longest, shortest=0))
