"""Instruction: what a `queue-sqs` action does, and the messages it makes of a trigger.

Limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import ClassVar, Self

from keyrelay.model.data_point import DataPoint, facts_of
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.json_templates import (
    fills_a_key,
    has_distinct_keys,
    json_text,
    looks_like_json,
    parse_json_template,
)
from keyrelay.model.outcome import NOTHING_LEFT, Fault, Rejected
from keyrelay.model.templates import Fact, Template, mentioned, remarks_on
from keyrelay.model.trigger import Trigger

NAME = "queue-sqs"
LARGEST_TEXT = 1024 * 1024  # bytes; what SQS takes for one message
LARGEST_TOTAL = 10 * LARGEST_TEXT  # for all messages of one trigger

_ALL = "all"  # the part of a message with all data points
_NO_DATA = Rejected("the trigger has no data points to send", Fault.TRIGGER)
_TOO_MUCH = Rejected(
    "the trigger's data would fill a text of a message to more than"
    f" {LARGEST_TEXT} bytes, or its messages to more than {LARGEST_TOTAL};"
    " publish fewer or smaller data points",
    Fault.TRIGGER,
)
_KEY_TWICE = Rejected(
    "the trigger's data would put a key twice into an object of the JSON message",
    Fault.TRIGGER,
)


class Form(Enum):
    """How a body's template is read, and what people are told of it."""

    TEXT = ()
    JSON = (
        "message is a JSON template: values are escaped inside strings, and written as"
        " JSON values outside",
    )
    LIKE_JSON = ("message begins like JSON and is none: values are put in as they are",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The template of a body, and how it is read.

    `keyed` tells that facts stand in keys of a JSON template: two of them may meet.
    """

    template: Template
    form: Form
    keyed: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        json = parse_json_template(text)
        if json is not None:
            return cls(template=json, form=Form.JSON, keyed=fills_a_key(json))
        form = Form.LIKE_JSON if looks_like_json(text) else Form.TEXT
        return cls(template=Template.parse(text), form=form)


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
    body: Body | None = None
    routing: Routing = Routing()
    attributes: tuple[tuple[str, Template], ...] = ()

    @property
    def mentions(self) -> frozenset[Fact]:
        return mentioned(self._templates)

    @property
    def remarks(self) -> tuple[str, ...]:
        form = self.body.form if self.body else Form.TEXT
        return (*form.value, *remarks_on(self._templates))

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

    def extent(self, trigger: Trigger) -> int:
        return sum(size for sizes in self._sizes(trigger) for size in sizes)

    def compose(
        self, trigger: Trigger, done: Collection[str]
    ) -> "QueueMessages | Rejected":
        if not trigger.data and self.body is None:
            return _NO_DATA
        if self._is_too_much(trigger):
            return _TOO_MUCH
        messages = tuple(
            self._message(trigger, part, points)
            for part, points in _parts(trigger, batched=self.batched)
            if part not in done
        )
        if self.body and self.body.keyed:
            bodies = (message.body for message in messages)
            if not all(map(has_distinct_keys, bodies)):
                return _KEY_TWICE
        return QueueMessages(messages) if messages else NOTHING_LEFT

    @property
    def _templates(self) -> tuple[Template, ...]:
        routing = self.routing
        body = self.body.template if self.body else None
        texts = (body, routing.group_id, routing.deduplication_id)
        return (
            *(text for text in texts if text),
            *(text for _, text in self.attributes),
        )

    def _is_too_much(self, trigger: Trigger) -> bool:
        total = 0
        for sizes in self._sizes(trigger):
            total += sum(sizes)
            if total > LARGEST_TOTAL or max(sizes, default=0) > LARGEST_TEXT:
                return True
        return False

    def _sizes(self, trigger: Trigger) -> Iterator[list[int]]:
        """Yield for each message the sizes of the texts that templates fill."""
        for _, points in _parts(trigger, batched=self.batched):
            facts = facts_of(points[:1], trigger.lifetime.raised_at)
            yield [template.size(facts) for template in self._templates]

    def _message(
        self, trigger: Trigger, part: str, points: Sequence[DataPoint]
    ) -> "QueueMessage":
        facts = facts_of(points[:1], trigger.lifetime.raised_at)
        group, id_ = self.routing.group_id, self.routing.deduplication_id
        default_id = f"{trigger.id}.{trigger.profile}.{part}"
        return QueueMessage(
            part=part,
            body=self.body.template.fill(facts) if self.body else _data(part, points),
            group_id=group.fill(facts) if group else None,
            deduplication_id=id_.fill(facts) if id_ else default_id,
            delay=self.routing.delay,
            attributes=tuple(
                (name, text.fill(facts)) for name, text in self.attributes
            ),
        )


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

    replaced: ClassVar[tuple[str, ...]] = ()

    messages: tuple[QueueMessage, ...]


def _parts(
    trigger: Trigger, *, batched: bool
) -> Iterator[tuple[str, Sequence[DataPoint]]]:
    """Yield each message's part and its data points; the first fills its texts."""
    if batched:
        yield _ALL, trigger.data
        return
    for number in range(max(1, len(trigger.data))):
        yield str(number), trigger.data[number : number + 1]


def _data(part: str, points: Sequence[DataPoint]) -> str:
    """Return the body of a message without a template: its data as JSON."""
    fields = [point.fields for point in points]
    return json_text(fields if part == _ALL else fields[0])
