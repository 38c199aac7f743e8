"""Messages: what a dispatcher is asked to hand over, made of action and trigger."""

import html
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from keyrelay.model.action import Action, EmailSmtp, QueueSqs
from keyrelay.model.data_point import DataPoint
from keyrelay.model.mailbox import Mailbox, is_header_text
from keyrelay.model.outcome import Fault, Rejected
from keyrelay.model.templates import Fact, Facts, Template
from keyrelay.model.trigger import Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The same on every attempt, so that a receiver can tell a repeat."""

    message_id: str
    date: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """`recipients` are the addresses still to be served; `form` has the headers'."""

    stamp: Stamp
    form: EmailSmtp
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """One SQS message. `part` names it within its trigger."""

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


Message = Mail | QueueMessages

LONGEST_SUBJECT = 1000  # to fold a header takes time quadratic in its length

# Each peer's words on each part are in the records of the attempts before.
_NOTHING_LEFT = Rejected(
    "nothing is left to send: every part was taken, or refused for good, before",
    Fault.TRIGGER,
)
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_GROUP = re.compile(r"[!-~]{1,128}")


def compose(
    action: Action, trigger: Trigger, done: Collection[str]
) -> Message | Rejected:
    """Fill the action's texts with the trigger's first data point.

    Parts named in `done` are left out; a peer is not asked to send nothing. What
    the trigger's data makes unsendable is Rejected with fault `trigger`.
    """
    match action.does:
        case EmailSmtp() as form:
            return _mail(form, trigger, done)
        case QueueSqs() as form:
            return _queue_messages(form, trigger, done)
        case _:
            assert_never(action.does)


def missing_facts(action: Action, trigger: Trigger) -> tuple[Fact, ...]:
    """Return the placeholders that were left empty, for the record."""
    facts = _facts(trigger.data[:1])
    missing = {fact for text in _texts(action.does) for fact in text.missing(facts)}
    return tuple(sorted(missing))


def _facts(points: tuple[DataPoint, ...]) -> Facts:
    # A locked action does not act, so whatever is composed is unlocked.
    state = {Fact.ACTION_STATE: "unlocked"}
    return {**points[0].facts, **state} if points else state


def _texts(does: EmailSmtp | QueueSqs) -> tuple[Template, ...]:
    texts: tuple[Template | None, ...]
    if isinstance(does, EmailSmtp):
        texts = (does.subject, does.text, does.html)
    else:
        routing = does.routing
        texts = (does.body, routing.group_id, routing.deduplication_id)
        texts += tuple(text for _, text in does.attributes)
    return tuple(text for text in texts if text is not None)


def _mail(form: EmailSmtp, trigger: Trigger, done: Collection[str]) -> Mail | Rejected:
    facts = _facts(trigger.data[:1])
    subject = form.subject.fill(facts)
    if len(subject) > LONGEST_SUBJECT:
        return Rejected(
            "the trigger's data would make the subject longer than"
            f" {LONGEST_SUBJECT} characters",
            Fault.TRIGGER,
        )
    if not is_header_text(subject):
        return Rejected(
            "the trigger's data would put control characters or '=?' into the subject",
            Fault.TRIGGER,
        )
    recipients = _remaining(form, done)
    if not recipients:
        return _NOTHING_LEFT
    return Mail(
        stamp=_stamp(form.sender, trigger),
        form=form,
        recipients=recipients,
        subject=subject,
        text=form.text.fill(facts),
        html=form.html.fill(facts, html.escape) if form.html else None,
    )


def _stamp(sender: Mailbox, trigger: Trigger) -> Stamp:
    domain = sender.address.rpartition("@")[2]
    return Stamp(
        message_id=f"<{trigger.id}.{trigger.profile}@{domain}>",
        date=trigger.lifetime.raised_at,
    )


def _remaining(form: EmailSmtp, done: Collection[str]) -> tuple[str, ...]:
    """Return each address once, in the order To, Cc, Bcc, without those done."""
    listed = form.recipients.to + form.recipients.cc + form.recipients.bcc
    addresses = dict.fromkeys(mailbox.address for mailbox in listed)
    return tuple(address for address in addresses if address not in done)


def _queue_messages(
    form: QueueSqs, trigger: Trigger, done: Collection[str]
) -> QueueMessages | Rejected:
    if not trigger.data and form.body is None:
        return Rejected("the trigger has no data points to send", Fault.TRIGGER)
    if form.batched:
        together = f"[{','.join(point.document for point in trigger.data)}]"
        parts = [("all", together, trigger.data[:1])]
    else:
        count = max(1, len(trigger.data))
        points = [trigger.data[number : number + 1] for number in range(count)]
        parts = [
            (str(number), point[0].document if point else "", point)
            for number, point in enumerate(points)
        ]
    messages = tuple(
        _queue_message(form, trigger, part, body, _facts(point))
        for part, body, point in parts
        if part not in done
    )
    return QueueMessages(messages) if messages else _NOTHING_LEFT


def _queue_message(
    form: QueueSqs, trigger: Trigger, part: str, body: str, facts: Facts
) -> QueueMessage:
    routing = form.routing
    repeatable = f"{trigger.id}.{trigger.profile}.{part}"
    return QueueMessage(
        part=part,
        body=form.body.fill(facts) if form.body else body,
        group_id=(
            routing.group_id.fill(facts) if routing.group_id else _fair_group(facts)
        ),
        deduplication_id=(
            routing.deduplication_id.fill(facts)
            if routing.deduplication_id
            else repeatable
        ),
        delay=routing.delay,
        attributes=tuple((name, text.fill(facts)) for name, text in form.attributes),
    )


def _fair_group(facts: Facts) -> str | None:
    """Return the device, if SQS takes it: standard queues share fairly by group."""
    device = facts.get(Fact.DEVICE)
    return device if device is not None and _GROUP.fullmatch(device) else None
