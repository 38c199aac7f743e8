"""Action documents: wire.md's JSON, read strictly into an action."""

import re
from collections.abc import Collection, Mapping
from datetime import timedelta

from keyrelay.model.action import (
    TARGET,
    Action,
    Channel,
    EmailSmtp,
    QueueSqs,
    Recipients,
    Routing,
)
from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_bool,
    require_label,
    require_list,
    require_object,
    require_text,
)
from keyrelay.model.ids import is_id
from keyrelay.model.mailbox import (
    Mailbox,
    is_header_text,
    parse_mailbox,
    parse_mailboxes,
)
from keyrelay.model.settlement import STANDARD, Schedule
from keyrelay.model.tags import Tagged, parse_tags
from keyrelay.model.templates import Template

LONGEST_NAME = 100
LONGEST_BODY = 256 * 1024

# fmt: off
_TRIGGER_TYPES = (
    "condition", "resource", "interval", "schedule", "mqtt_topic",
    "usage_alert", "condition_geofence",
)
_FIELDS = frozenset({
    "name", "active", "tags", "description", "lock", "type", "trigger",
    "action", "trigger_when_unlock", "retry",
})
_MAIL_FIELDS = frozenset({
    "type", "from", "to", "subject", "message", "smtp_secret", "html", "cc",
    "bcc", "reply_to",
})
_QUEUE_FIELDS = frozenset({
    "type", "sqs_secret", "batch_enabled", "message", "group_id",
    "deduplication_id", "delay_seconds", "attributes",
})
# fmt: on
_ATTRIBUTE_NAME = re.compile(r"(?!(?:aws|amazon)\.)[\w-]+(\.[\w-]+)*", re.ASCII | re.I)


def parse_action(document: Mapping[str, object], id_: str, profile: str) -> Action:
    """Read wire.md's action, or raise InvalidDefinition.

    `description`, `type`, `trigger` and `trigger_when_unlock` are checked and kept
    by the store as they were sent; performing an action does not need them.
    """
    refuse_unknown(document, _FIELDS, "an action")
    _check_what_is_only_kept(document)
    tags = parse_tags(document.get("tags", []))
    return Action(
        tagged=Tagged(kind=TARGET, profile=profile, id=id_, tags=tags),
        name=require_label(document.get("name"), "name", longest=LONGEST_NAME),
        active=require_bool(document.get("active", True), "active"),
        locked=require_bool(document.get("lock", False), "lock"),
        does=_parse_does(require_object(document.get("action"), "action")),
        schedule=_parse_retry(document.get("retry")),
    )


def _check_what_is_only_kept(document: Mapping[str, object]) -> None:
    require_text(
        document.get("description", ""), "description", longest=2000, shortest=0
    )
    require_list(document.get("trigger", []), "trigger", longest=100)
    require_bool(document.get("trigger_when_unlock", False), "trigger_when_unlock")
    if document.get("type", "condition") not in _TRIGGER_TYPES:
        raise InvalidDefinition(f"type must be one of {', '.join(_TRIGGER_TYPES)}")


def _parse_does(document: Mapping[str, object]) -> EmailSmtp | QueueSqs:
    match document.get("type"):
        case Channel.EMAIL.value:
            return _parse_mail(document)
        case Channel.SQS.value:
            return _parse_queue(document)
        case _:
            kinds = " and ".join(channel.value for channel in Channel)
            raise InvalidDefinition(f"action.type must be a supported kind: {kinds}")


def _parse_mail(document: Mapping[str, object]) -> EmailSmtp:
    refuse_unknown(document, _MAIL_FIELDS, "an email-smtp action")
    sender = require_text(document.get("from"), "from", longest=400)
    text, html = document.get("message"), document.get("html")
    if text is None and html is None:
        raise InvalidDefinition("an email-smtp action needs a message, html or both")
    return EmailSmtp(
        secret=_secret(document, "smtp_secret"),
        sender=parse_mailbox(sender, "from"),
        recipients=Recipients(
            to=parse_mailboxes(document.get("to"), "to"),
            cc=_optional_mailboxes(document, "cc"),
            bcc=_optional_mailboxes(document, "bcc"),
            reply_to=_optional_mailboxes(document, "reply_to"),
        ),
        subject=_subject(document.get("subject")),
        text=_template("" if text is None else text, "message", shortest=0),
        html=None if html is None else _template(html, "html"),
    )


def _parse_queue(document: Mapping[str, object]) -> QueueSqs:
    refuse_unknown(document, _QUEUE_FIELDS, "a queue-sqs action")
    attributes = require_object(document.get("attributes", {}), "attributes")
    return QueueSqs(
        secret=_secret(document, "sqs_secret"),
        batched=require_bool(document.get("batch_enabled", False), "batch_enabled"),
        body=_optional_template(document, "message", LONGEST_BODY),
        routing=Routing(
            group_id=_optional_template(document, "group_id", 128),
            deduplication_id=_optional_template(document, "deduplication_id", 128),
            delay=_delay(document.get("delay_seconds")),
        ),
        attributes=_attributes(attributes),
    )


def _attributes(document: Mapping[str, object]) -> tuple[tuple[str, Template], ...]:
    if len(document) > 10:
        raise InvalidDefinition("attributes must be at most 10")
    for name in document:
        if len(name) > 256 or _ATTRIBUTE_NAME.fullmatch(name) is None:
            raise InvalidDefinition(
                "an attribute's name has up to 256 letters, digits, '_', '-' and"
                " single dots, and does not begin with aws. or amazon."
            )
    return tuple(
        (name, _template(value, f"attribute {name}"))
        for name, value in document.items()
    )


def _secret(document: Mapping[str, object], field: str) -> str:
    id_ = document.get(field)
    if not isinstance(id_, str) or not is_id(id_):
        raise InvalidDefinition(f"{field} must be a secret's 24-character id")
    return id_


def _subject(value: object) -> Template:
    text = require_text(value, "subject", longest=500, shortest=0)
    if not is_header_text(text):
        raise InvalidDefinition("subject must not hold control characters or '=?'")
    return Template.parse(text)


def _template(value: object, what: str, *, shortest: int = 1) -> Template:
    return Template.parse(
        require_text(value, what, longest=LONGEST_BODY, shortest=shortest)
    )


def _optional_template(
    document: Mapping[str, object], field: str, longest: int
) -> Template | None:
    value = document.get(field)
    if value is None:
        return None
    return Template.parse(require_text(value, field, longest=longest))


def _optional_mailboxes(
    document: Mapping[str, object], field: str
) -> tuple[Mailbox, ...]:
    value = document.get(field)
    return () if value is None or value == "" else parse_mailboxes(value, field)


def _delay(value: object) -> timedelta | None:
    return None if value is None else _whole(value, "delay_seconds", range(901))


def _whole(value: object, what: str, allowed: Collection[int]) -> timedelta:
    if type(value) is not int or value not in allowed:
        raise InvalidDefinition(
            f"{what} must be a whole number from {min(allowed)} to {max(allowed)}"
        )
    return timedelta(seconds=value)


def _parse_retry(value: object) -> Schedule:
    """Read our own `retry {attempts?, first_seconds?, longest_seconds?}`."""
    if value is None:
        return STANDARD
    document = require_object(value, "retry")
    refuse_unknown(document, {"attempts", "first_seconds", "longest_seconds"}, "retry")
    seconds = range(1, 86_401)
    attempts = document.get("attempts", STANDARD.attempts)
    if type(attempts) is not int or not 1 <= attempts <= 100:
        raise InvalidDefinition("retry.attempts must be a whole number from 1 to 100")
    first = _whole(document.get("first_seconds", 5), "retry.first_seconds", seconds)
    longest = _whole(
        document.get("longest_seconds", 900), "retry.longest_seconds", seconds
    )
    if first > longest:
        raise InvalidDefinition("retry.first_seconds must not exceed longest_seconds")
    return Schedule(attempts=attempts, first=first, longest=longest)
