"""The action `queue-sqs`: its document, and the messages composed for a trigger.

Limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from keyrelay.model.action_document import (
    LONGEST_BODY,
    optional_template,
    require_seconds,
    require_secret,
    require_template,
)
from keyrelay.model.data_point import DataPoint, facts_of
from keyrelay.model.documents import InvalidDefinition, require_bool, require_object
from keyrelay.model.fields import Field
from keyrelay.model.outcome import NOTHING_LEFT, Fault, Rejected
from keyrelay.model.templates import Fact, Facts, Template, mentioned
from keyrelay.model.trigger import Trigger

NAME = "queue-sqs"
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
        description="The body, a template, instead of the data.",
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
_GROUP = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The parameters of SendMessage that place a message on its queue."""

    group_id: Template | None = None
    deduplication_id: Template | None = None
    delay: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSqs:
    """Send one message for all data points (`batched`), or one for each.

    With a `body`, that template is the message's body instead of the data
    (model.action.Instruction).
    """

    channel: ClassVar[str] = NAME

    secret: str
    batched: bool
    body: Template | None = None
    routing: Routing = Routing()
    attributes: tuple[tuple[str, Template], ...] = ()

    @property
    def mentions(self) -> frozenset[Fact]:
        routing = self.routing
        texts = (text for _, text in self.attributes)
        return mentioned(
            (self.body, routing.group_id, routing.deduplication_id, *texts)
        )

    def check(self, *, fifo: bool) -> None:
        """Raise InvalidDefinition for what a FIFO queue would refuse."""
        if fifo and self.routing.group_id is None:
            raise InvalidDefinition(
                "a FIFO queue needs a group_id, for example $DEVICE$"
            )
        if fifo and self.routing.delay is not None:
            raise InvalidDefinition(
                "a FIFO queue takes no delay_seconds for one message"
            )

    def compose(
        self, trigger: Trigger, done: Collection[str]
    ) -> "QueueMessages | Rejected":
        if not trigger.data and self.body is None:
            return Rejected("the trigger has no data points to send", Fault.TRIGGER)
        messages = tuple(
            _message(self, trigger, part, data, facts_of(point))
            for part, data, point in _parts(trigger.data, batched=self.batched)
            if part not in done
        )
        return QueueMessages(messages) if messages else NOTHING_LEFT


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """One SQS message with its texts filled. `part` names it within its trigger."""

    part: str
    body: str
    group_id: str | None
    deduplication_id: str
    delay: timedelta | None
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class QueueMessages:
    """The trigger's messages still to be sent, in order."""

    messages: tuple[QueueMessage, ...]


def parse_queue_sqs(document: Mapping[str, object]) -> QueueSqs:
    """Read TagoIO's `queue-sqs`, or raise InvalidDefinition."""
    attributes = require_object(document.get("attributes", {}), "attributes")
    return QueueSqs(
        secret=require_secret(document, "sqs_secret"),
        batched=require_bool(document.get("batch_enabled", False), "batch_enabled"),
        body=optional_template(document, "message", LONGEST_BODY),
        routing=Routing(
            group_id=optional_template(document, "group_id", 128),
            deduplication_id=optional_template(document, "deduplication_id", 128),
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
        (name, require_template(value, f"attribute {name}"))
        for name, value in document.items()
    )


def _delay(value: object) -> timedelta | None:
    if value is None:
        return None
    return require_seconds(value, "delay_seconds", range(901))


def _parts(
    data: tuple[DataPoint, ...], *, batched: bool
) -> list[tuple[str, str, tuple[DataPoint, ...]]]:
    """Return each message's part, data as JSON, and the point that fills its texts."""
    if batched:
        all_points = f"[{','.join(point.document for point in data)}]"
        return [("all", all_points, data[:1])]
    count = max(1, len(data))
    points = [data[number : number + 1] for number in range(count)]
    return [
        (str(number), point[0].document if point else "", point)
        for number, point in enumerate(points)
    ]


def _message(
    instruction: QueueSqs, trigger: Trigger, part: str, data: str, facts: Facts
) -> QueueMessage:
    routing = instruction.routing
    default_id = f"{trigger.id}.{trigger.profile}.{part}"
    return QueueMessage(
        part=part,
        body=instruction.body.fill(facts) if instruction.body else data,
        group_id=(
            routing.group_id.fill(facts) if routing.group_id else _fair_group(facts)
        ),
        deduplication_id=(
            routing.deduplication_id.fill(facts)
            if routing.deduplication_id
            else default_id
        ),
        delay=routing.delay,
        attributes=tuple(
            (name, text.fill(facts)) for name, text in instruction.attributes
        ),
    )


def _fair_group(facts: Facts) -> str | None:
    """Return the device, if SQS takes it as a group: fair queues share by group.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
    """
    device = facts.get(Fact.DEVICE)
    return device if device is not None and _GROUP.fullmatch(device) else None
