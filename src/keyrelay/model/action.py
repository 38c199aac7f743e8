"""Actions: what a trigger can ask for, as an administrator wrote it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.mailbox import Mailbox
from keyrelay.model.settlement import Schedule
from keyrelay.model.tags import Tagged
from keyrelay.model.templates import Template

TARGET = "action"  # what policies call an action


class Channel(StrEnum):
    """How an action acts; the values are the wire's `type`."""

    EMAIL = "email-smtp"
    SQS = "queue-sqs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSmtp:
    """Send one mail to all recipients."""

    secret: str
    sender: Mailbox
    recipients: Recipients
    subject: Template
    text: Template
    html: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What SQS is told about a message beside its body."""

    group_id: Template | None = None
    deduplication_id: Template | None = None
    delay: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSqs:
    """Put messages on a queue: one for all data points (`batched`), or one for each.

    With a `body`, that template is the message's body instead of the data.
    """

    secret: str
    batched: bool
    body: Template | None = None
    routing: Routing = Routing()
    attributes: tuple[tuple[str, Template], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`name` is for people; policies and triggers go by `tagged.id`."""

    tagged: Tagged
    name: str
    active: bool
    locked: bool
    does: EmailSmtp | QueueSqs
    schedule: Schedule

    @property
    def channel(self) -> Channel:
        return Channel.EMAIL if isinstance(self.does, EmailSmtp) else Channel.SQS


def check_queue(does: QueueSqs, *, fifo: bool) -> None:
    """Refuse an action that its queue would refuse, or raise InvalidDefinition."""
    if fifo and does.routing.group_id is None:
        raise InvalidDefinition("a FIFO queue needs a group_id, for example $DEVICE$")
    if fifo and does.routing.delay is not None:
        raise InvalidDefinition("a FIFO queue takes no delay_seconds for one message")
