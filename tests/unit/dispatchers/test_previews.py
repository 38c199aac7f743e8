"""Previews: a message is shown as it would leave, and what would refuse it is told."""

from dataclasses import replace

from keyrelay.dispatchers.smtp.action import Mail, parse_email_smtp
from keyrelay.dispatchers.smtp.preview import preview_mail
from keyrelay.dispatchers.sqs.action import parse_queue_sqs
from keyrelay.dispatchers.sqs.instruction import QueueMessages
from keyrelay.dispatchers.sqs.preview import MOST_SHOWN, preview_messages
from keyrelay.model.data_point import parse_points
from tests.samples import MAIL_DOES, MAIL_SECRET, a_trigger


def test_a_mail_is_shown_with_what_it_can_carry() -> None:
    does = {**MAIL_DOES, "subject": "$VARIABLE$", "html": "<b>$VARIABLE$</b>"}
    trigger = replace(a_trigger(), data=parse_points({"variable": "a\tb<"}))
    mail = parse_email_smtp(does).compose(trigger, ())
    assert isinstance(mail, Mail)

    shown = preview_mail(mail, fifo=False)

    assert shown.document["subject"] == "a b<"
    assert shown.document["html"] == "<b>a\tb&lt;</b>"
    assert (shown.replaced, shown.refusals) == (("subject",), [])


def test_of_many_messages_the_first_are_shown_and_all_are_judged() -> None:
    does = {"sqs_secret": MAIL_SECRET, "message": "$VARIABLE$", "delay_seconds": 5}
    points = [{"variable": "v"}] * MOST_SHOWN + [{"unit": "C"}]
    trigger = replace(a_trigger(), data=parse_points(points))
    messages = parse_queue_sqs(does).compose(trigger, ())
    assert isinstance(messages, QueueMessages)

    standard = preview_messages(messages, fifo=False)
    fifo = preview_messages(messages, fifo=True)

    first = standard.document["messages"]
    assert isinstance(first, list)
    assert (standard.document["count"], len(first)) == (MOST_SHOWN + 1, MOST_SHOWN)
    assert (first[0]["body"], first[0]["delay_seconds"]) == ("v", 5)
    assert first[0]["deduplication_id"] is None
    assert standard.refusals == [f"message {MOST_SHOWN}: the message's body is empty"]
    assert len(fifo.refusals) == MOST_SHOWN + 1
