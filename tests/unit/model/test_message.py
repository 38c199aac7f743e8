import json
from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.smtp.action import Mail, MailIdentity
from keyrelay.dispatchers.sqs.action import QueueMessage, QueueMessages
from keyrelay.model.action import Action, Message
from keyrelay.model.data_point import DataPoint, facts_of
from keyrelay.model.outcome import Fault, Rejected
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger
from tests.samples import (
    MAIL_DOES,
    NOON,
    ORIGIN,
    PROFILE,
    QUEUE_ACTION,
    QUEUE_DOES,
    a_trigger,
    an_action,
)

WARM = {"variable": "temperature", "value": 21.5, "unit": "°C", "device": "d1"}
COLD = {"variable": "temperature", "value": -4, "unit": "°C", "device": "d2"}
NOTHING_DONE: frozenset[str] = frozenset()


def compose(
    action: Action, trigger: Trigger, done: Collection[str]
) -> Message | Rejected:
    return action.instruction.compose(trigger, done)


def missing_facts(action: Action, trigger: Trigger) -> tuple[Fact, ...]:
    """Return what the action mentions and the first data point does not say."""
    return tuple(
        sorted(action.instruction.mentions - facts_of(trigger.data[:1]).keys())
    )


def trigger(*points: Mapping[str, object], id_: str = "t1") -> Trigger:
    document = {"id": id_, "action": QUEUE_ACTION, "data": points}
    return Trigger.parse(json.dumps(document).encode(), ORIGIN)


def mail(
    *points: Mapping[str, object],
    done: frozenset[str] = NOTHING_DONE,
    **fields: object,
) -> Mail:
    message = compose(an_action({**MAIL_DOES, **fields}), trigger(*points), done)
    assert isinstance(message, Mail)
    return message


def queued(
    *points: Mapping[str, object],
    done: frozenset[str] = NOTHING_DONE,
    **fields: object,
) -> tuple[QueueMessage, ...]:
    message = compose(an_action({**QUEUE_DOES, **fields}), trigger(*points), done)
    assert isinstance(message, QueueMessages)
    return message.messages


def test_a_mail_is_filled_with_the_first_data_point() -> None:
    sent = mail(WARM, COLD)

    assert (sent.subject, sent.text) == ("temperature is 21.5", "It is 21.5 °C.")
    assert sent.html is None


def test_a_mail_without_data_has_gaps() -> None:
    assert (mail().subject, mail().text) == (" is ", "It is  .")


def test_data_in_html_is_escaped_and_in_text_is_not() -> None:
    sent = mail({"value": "<b>&"}, html="<i>$VALUE$</i>", message="$VALUE$")

    assert sent.html == "<i>&lt;b&gt;&amp;</i>"
    assert sent.text == "<b>&"


def test_what_acts_is_unlocked() -> None:
    assert mail(message="$ACTION.STATE$").text == "unlocked"


def test_message_id_and_date_are_the_same_on_every_attempt() -> None:
    first, second = mail(WARM), mail(WARM, done=frozenset({"ada@example.com"}))

    expected = MailIdentity(message_id=f"<t1.{PROFILE}@example.com>", date=NOON)
    assert first.identity == second.identity == expected


def test_each_address_is_served_once_in_the_order_they_are_listed() -> None:
    sent = mail(cc="cc@example.com, ada@example.com", bcc="bcc@example.com")

    assert sent.recipients == (
        "ada@example.com",
        "bob@example.com",
        "cc@example.com",
        "bcc@example.com",
    )


def test_a_reply_address_gets_no_mail() -> None:
    assert "help@example.com" not in mail(reply_to="help@example.com").recipients


def test_recipients_that_an_earlier_attempt_served_are_left_out() -> None:
    assert mail(done=frozenset({"ada@example.com"})).recipients == ("bob@example.com",)


@pytest.mark.parametrize(
    "value", ["a\r\nBcc: evil@x.example", "=?utf-8?q?=0A?=", "\x85"]
)
def test_data_that_would_forge_a_header_is_refused(value: str) -> None:
    outcome = compose(an_action(), trigger({"value": value}), NOTHING_DONE)

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.TRIGGER
    assert value not in outcome.reason


def test_a_queue_gets_one_message_for_each_data_point() -> None:
    warm, cold = queued(WARM, COLD)

    assert (json.loads(warm.body), json.loads(cold.body)) == (WARM, COLD)
    assert (warm.part, cold.part) == ("0", "1")
    assert (warm.group_id, cold.group_id) == ("d1", "d2")


def test_a_queue_gets_one_message_for_all_data_points() -> None:
    (together,) = queued(WARM, COLD, batch_enabled=True)

    assert json.loads(together.body) == [WARM, COLD]
    assert (together.part, together.group_id) == ("all", "d1")


def test_a_template_is_the_body_filled_by_each_data_point() -> None:
    bodies = [message.body for message in queued(WARM, COLD, message="now $VALUE$")]

    assert bodies == ["now 21.5", "now -4"]


def test_a_template_for_all_is_filled_by_the_first() -> None:
    (together,) = queued(WARM, COLD, message="now $VALUE$", batch_enabled=True)

    assert together.body == "now 21.5"


@pytest.mark.parametrize("batched", [True, False])
def test_a_template_needs_no_data(*, batched: bool) -> None:
    (message,) = queued(message="hello", batch_enabled=batched)

    assert (message.body, message.group_id) == ("hello", None)


@pytest.mark.parametrize("batched", [True, False])
def test_without_data_and_template_there_is_nothing_to_send(*, batched: bool) -> None:
    action = an_action({**QUEUE_DOES, "batch_enabled": batched})

    outcome = compose(action, trigger(), NOTHING_DONE)

    assert outcome == Rejected("the trigger has no data points to send", Fault.TRIGGER)


def test_routing_is_filled_by_each_data_point() -> None:
    warm, cold = queued(
        WARM,
        COLD,
        group_id="g-$DEVICE$",
        deduplication_id="$DEVICE$-$VALUE$",
        delay_seconds=5,
        attributes={"unit": "$UNIT$", "from": "$DEVICE$"},
    )

    assert (warm.group_id, cold.group_id) == ("g-d1", "g-d2")
    assert (warm.deduplication_id, cold.deduplication_id) == ("d1-21.5", "d2--4")
    assert warm.delay == cold.delay
    assert warm.delay is not None
    assert cold.attributes == (("unit", "°C"), ("from", "d2"))


def test_what_deduplicates_is_the_trigger_and_the_part() -> None:
    ids = [message.deduplication_id for message in queued(WARM, WARM)]

    assert ids == [f"t1.{PROFILE}.0", f"t1.{PROFILE}.1"]


@pytest.mark.parametrize("device", ["two words", "d" * 129, "größe", "d\x7f"])
def test_a_device_that_no_group_may_be_called_makes_no_group(device: str) -> None:
    (message,) = queued({"device": device})

    assert message.group_id is None


def test_what_an_earlier_attempt_queued_is_left_out_and_keeps_its_name() -> None:
    left = queued(WARM, COLD, WARM, done=frozenset({"0", "2"}))

    assert [message.part for message in left] == ["1"]
    assert json.loads(left[0].body) == COLD


@pytest.mark.parametrize(
    ("does", "done"),
    [
        (MAIL_DOES, {"ada@example.com", "bob@example.com"}),
        (QUEUE_DOES, {"0", "1"}),
        ({**QUEUE_DOES, "batch_enabled": True}, {"all"}),
    ],
    ids=["mail", "messages", "one message"],
)
def test_a_peer_is_not_asked_to_send_nothing(
    does: Mapping[str, object], done: set[str]
) -> None:
    outcome = compose(an_action(does), trigger(WARM, COLD), done)

    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("nothing is left to send")


def test_placeholders_without_a_fact_are_named_once_in_order() -> None:
    action = an_action({**MAIL_DOES, "html": "$UNIT$ $DEVICE$ $ACTION.STATE$"})

    assert missing_facts(action, trigger({"value": 1})) == (
        Fact.DEVICE,
        Fact.UNIT,
        Fact.VARIABLE,
    )
    assert missing_facts(an_action(), trigger(WARM)) == ()


def test_placeholders_of_a_queue_message_stand_in_many_places() -> None:
    action = an_action(
        {
            **QUEUE_DOES,
            "message": "$VALUE$",
            "group_id": "$DEVICE$",
            "deduplication_id": "$TIME$",
            "attributes": {"a": "$UNIT$"},
        }
    )

    assert missing_facts(action, a_trigger()) == (
        Fact.DEVICE,
        Fact.TIME,
        Fact.UNIT,
        Fact.VALUE,
    )


POINTS = st.lists(
    st.fixed_dictionaries({"value": st.text()}, optional={"device": st.just("d1")}),
    min_size=1,
    max_size=6,
)


@given(points=POINTS, done=st.frozensets(st.sampled_from("012345")))
def test_parts_done_and_parts_left_make_the_whole(
    points: list[Mapping[str, object]], done: frozenset[str]
) -> None:
    sent = trigger(*points)

    message = compose(an_action(QUEUE_DOES), sent, done)

    left = message.messages if isinstance(message, QueueMessages) else ()
    named: dict[str, DataPoint] = {str(n): point for n, point in enumerate(sent.data)}
    assert {m.part: m.body for m in left} == {
        part: point.document for part, point in named.items() if part not in done
    }


def test_a_subject_that_would_take_for_ever_to_fold_is_the_triggers_fault() -> None:
    endless = DataPoint({Fact.VALUE: "é " * 100_000}, {})

    refused = compose(an_action(), a_trigger(endless), frozenset())

    assert isinstance(refused, Rejected)
    assert refused.fault is Fault.TRIGGER
    assert "longer than 1000" in refused.reason
