from dataclasses import replace
from datetime import timedelta

import pytest

from keyrelay.dispatchers.sqs.action import QueueSqs, Routing
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.templates import Template
from tests.samples import MAIL_DOES, QUEUE_DOES, QUEUE_SECRET, an_action

PLAIN = QueueSqs(secret=QUEUE_SECRET, batched=False)
GROUPED = replace(PLAIN, routing=Routing(group_id=Template.parse("$DEVICE$")))
DELAYED = replace(PLAIN, routing=Routing(delay=timedelta()))
BOTH = replace(
    PLAIN, routing=Routing(group_id=Template.parse("$DEVICE$"), delay=timedelta())
)


def test_the_channel_of_an_action_is_the_type_of_what_it_does() -> None:
    assert an_action(MAIL_DOES).channel == "email-smtp"
    assert an_action(QUEUE_DOES).channel == "queue-sqs"


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        (PLAIN, "a FIFO queue needs a group_id"),
        (DELAYED, "a FIFO queue needs a group_id"),
        (BOTH, "a FIFO queue takes no delay_seconds"),
    ],
    ids=["no group", "only a delay", "group and delay"],
)
def test_what_a_fifo_queue_would_refuse_is_refused(
    does: QueueSqs, sentence: str
) -> None:
    with pytest.raises(InvalidDefinition, match=sentence):
        does.check(fifo=True)


def test_a_fifo_queue_takes_messages_with_a_group() -> None:
    GROUPED.check(fifo=True)


@pytest.mark.parametrize("does", [PLAIN, GROUPED, DELAYED, BOTH])
def test_a_standard_queue_takes_them_all(does: QueueSqs) -> None:
    does.check(fifo=False)
