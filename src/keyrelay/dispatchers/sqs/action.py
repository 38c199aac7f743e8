"""The action `queue-sqs`: its document, read strictly into an instruction.

Limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

import re
from collections.abc import Mapping
from datetime import timedelta

from keyrelay.dispatchers.sqs.instruction import Body, QueueSqs, Routing
from keyrelay.model.action_document import (
    LONGEST_BODY,
    optional_template,
    require_seconds,
    require_secret,
    require_template,
)
from keyrelay.model.documents import (
    InvalidDefinition,
    require_bool,
    require_object,
    require_text,
)
from keyrelay.model.fields import Field
from keyrelay.model.templates import Template

FIELDS = (
    Field(name="sqs_secret", description="The id of the secret with queue and key."),
    Field(
        name="batch_enabled",
        description="One message for all data points, not one for each.",
        schema={"type": "boolean"},
        required=False,
    ),
    Field(
        name="message",
        description="The body instead of the data: a template, of text or of JSON.",
        required=False,
    ),
    Field(
        name="group_id", description="The message group, a template.", required=False
    ),
    Field(
        name="deduplication_id",
        description="The deduplication id, a template.",
        required=False,
    ),
    Field(
        name="delay_seconds",
        description="How many seconds SQS delays the message.",
        schema={"type": "integer", "minimum": 0, "maximum": 900},
        required=False,
    ),
    Field(
        name="attributes",
        description="Up to ten message attributes, templates by name.",
        schema={"type": "object", "additionalProperties": {"type": "string"}},
        required=False,
    ),
)
_ATTRIBUTE_NAME = re.compile(r"(?!(?:aws|amazon)\.)[\w-]+(\.[\w-]+)*", re.ASCII | re.I)


def parse_queue_sqs(document: Mapping[str, object]) -> QueueSqs:
    """Read TagoIO's `queue-sqs`, or raise InvalidDefinition."""
    attributes = require_object(document.get("attributes", {}), "attributes")
    return QueueSqs(
        secret=require_secret(document, "sqs_secret"),
        batched=require_bool(document.get("batch_enabled", False), "batch_enabled"),
        body=_body(document.get("message")),
        routing=Routing(
            group_id=optional_template(document, "group_id", 128),
            deduplication_id=optional_template(document, "deduplication_id", 128),
            delay=_delay(document.get("delay_seconds")),
        ),
        attributes=_attributes(attributes),
    )


def _body(value: object) -> Body | None:
    if value is None:
        return None
    return Body.parse(require_text(value, "message", longest=LONGEST_BODY))


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
        (name, require_template(value, f"attribute {name}"))
        for name, value in document.items()
    )


def _delay(value: object) -> timedelta | None:
    if value is None:
        return None
    return require_seconds(value, "delay_seconds", range(901))
