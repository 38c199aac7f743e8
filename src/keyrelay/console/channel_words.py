"""Channel words: how pages call the types of actions and secrets, and their fields.

A channel that has none here goes by its own names and descriptions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from keyrelay.model.action import ActionType
from keyrelay.model.templates import Fact


@dataclass(frozen=True, slots=True)
class FieldWords:
    """A label and a hint; `is_template`, placeholders are filled in; `rows` of text."""

    label: str
    hint: str = ""
    is_template: bool = False
    rows: int = 0


TYPE_WORDS: Mapping[str, tuple[str, str]] = {
    "email-smtp": ("E-mail", "Sends a mail by SMTP"),
    "queue-sqs": ("AWS SQS", "Puts messages into a queue"),
    "script": ("Script", "Runs up to ten analyses"),
}
FIELD_WORDS: Mapping[str, FieldWords] = {
    "smtp_secret": FieldWords("Secret", "The mail account to send with."),
    "from": FieldWords("From", "Such as Alerts <alerts@example.com>"),
    "to": FieldWords("To", "Up to 100 addresses, separated by ; or ,"),
    "cc": FieldWords("Cc"),
    "bcc": FieldWords("Bcc", "No header shows them."),
    "reply_to": FieldWords("Reply to"),
    "subject": FieldWords("Subject", is_template=True),
    "message": FieldWords("Message", is_template=True, rows=6),
    "html": FieldWords(
        "Message in HTML",
        "What is filled in here is escaped.",
        is_template=True,
        rows=4,
    ),
    "sqs_secret": FieldWords("Secret", "The queue, and the access key to it."),
    "batch_enabled": FieldWords(
        "One message for all data points", "Otherwise each data point is a message."
    ),
    "group_id": FieldWords(
        "Message group", "For queues with the ending .fifo.", is_template=True
    ),
    "deduplication_id": FieldWords(
        "Deduplication id",
        "For queues with the ending .fifo; empty, it is made of trigger and part.",
        is_template=True,
    ),
    "delay_seconds": FieldWords("Delay in seconds", "Up to 900."),
    "attributes": FieldWords("Attributes", "Up to ten.", is_template=True),
    "script": FieldWords("Analyses", "Each is run with the trigger's data points."),
}
# By channel, where a field's words differ.
OWN_WORDS: Mapping[tuple[str, str], FieldWords] = {
    ("queue-sqs", "message"): FieldWords(
        "Message",
        "Text or JSON; empty, the data points are sent as they came.",
        is_template=True,
        rows=6,
    ),
}
SECRET_NAMES = {"text": "Text", "smtp": "SMTP", "aws-sqs": "AWS SQS"}
SECRET_USES = {
    "text": "A password, a key, any text",
    "smtp": "A mail account, to send with",
    "aws-sqs": "A queue of Amazon SQS",
}
# Where to look for a field's value, by the type of the secret.
SECRET_HINTS: Mapping[tuple[str, str], str] = {
    ("smtp", "smtp_server"): "The host that your provider calls SMTP server.",
    ("smtp", "smtp_port"): "587: it begins in clear, and must change to TLS.",
    ("smtp", "username"): "Often the whole address.",
    ("smtp", "password"): "With two-step sign-in, providers want an app password.",
    ("aws-sqs", "aws_region"): "Beside the account's name in the AWS console.",
    ("aws-sqs", "queue_url"): "SQS console, the queue, Details: URL.",
    ("aws-sqs", "access_key_id"): "IAM console, the user, Security credentials.",
    ("aws-sqs", "secret_access_key"): "Shown once, when the access key is made.",
}
FACTS: Mapping[Fact, str] = {
    Fact.VALUE: "the first data point's value",
    Fact.VARIABLE: "its variable",
    Fact.UNIT: "its unit",
    Fact.TIME: "its time",
    Fact.LOCATION: "its location",
    Fact.DEVICE: "the id of its device",
    Fact.DEVICE_NAME: "the name of its device",
    Fact.ACTION_STATE: "unlocked",
}


def words_of(type_: ActionType) -> Mapping[str, FieldWords]:
    """Return the words for each field; one that has none goes by its description."""
    return {
        each.name: OWN_WORDS.get((type_.name, each.name))
        or FIELD_WORDS.get(each.name)
        or FieldWords(each.name, each.description)
        for each in type_.fields
    }


def secret_field(type_: ActionType) -> str | None:
    """Return the name of the field with the secret's id; None, it needs none."""
    names = [each.name for each in type_.fields if each.name.endswith("_secret")]
    return names[0] if type_.secret is not None and names else None
