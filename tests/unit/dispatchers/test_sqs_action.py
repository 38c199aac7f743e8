"""The action `queue-sqs`: how it is read, and the messages composed from it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.sqs.instruction import (
    Body,
    QueueMessage,
    QueueMessages,
    QueueSqs,
    Routing,
)
from keyrelay.model.data_point import DataPoint
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.outcome import Fault, Rejected
from keyrelay.model.templates import Fact, Template
from tests.samples import (
    MAIL_SECRET,
    PROFILE,
    QUEUE_DOES,
    QUEUE_SECRET,
    a_trigger,
    an_action,
)
from tests.unit.dispatchers.composing import (
    COLD,
    NOTHING_DONE,
    WARM,
    compose,
    missing_facts,
    trigger,
)


def parse_queue_sqs(**fields: object) -> QueueSqs:
    instruction = an_action({**QUEUE_DOES, **fields}).instruction
    assert isinstance(instruction, QueueSqs)
    return instruction


def test_the_smallest_queue_action_sends_each_data_point() -> None:
    assert an_action(QUEUE_DOES).instruction == QueueSqs(
        secret=QUEUE_SECRET, batched=False
    )


def test_a_queue_action_is_read_whole() -> None:
    queue = parse_queue_sqs(
        batch_enabled=True,
        message="$VALUE$",
        group_id="$DEVICE$",
        deduplication_id="$TIME$",
        delay_seconds=900,
        attributes={"site.name": "north", "unit": "$UNIT$"},
    )

    assert queue.batched
    assert queue.body == Body.parse("$VALUE$")
    assert queue.routing.group_id == Template.parse("$DEVICE$")
    assert queue.routing.deduplication_id == Template.parse("$TIME$")
    assert queue.routing.delay == timedelta(minutes=15)
    assert queue.attributes == (
        ("site.name", Template.parse("north")),
        ("unit", Template.parse("$UNIT$")),
    )


REFUSED_IN_QUEUE: list[tuple[str, object, str]] = [
    ("sqs_secret", "q" * 24, "sqs_secret must be a secret's 24-character id"),
    ("batch_enabled", "yes", "batch_enabled must be true or false"),
    ("message", "", "message must have 1 to 262144 characters"),
    ("group_id", "g" * 129, "group_id must have 1 to 128 characters"),
    ("deduplication_id", "", "deduplication_id must have 1 to 128 characters"),
    ("delay_seconds", 901, "delay_seconds must be a whole number from 0 to 900"),
    ("delay_seconds", -1, "delay_seconds must be a whole number from 0 to 900"),
    ("delay_seconds", True, "delay_seconds must be a whole number from 0 to 900"),
    ("delay_seconds", "5", "delay_seconds must be a whole number from 0 to 900"),
    ("attributes", [], "attributes must be an object"),
    ("attributes", {f"a{n}": "v" for n in range(11)}, "attributes must be at most 10"),
    ("attributes", {"": "v"}, "an attribute's name has"),
    ("attributes", {"a b": "v"}, "an attribute's name has"),
    ("attributes", {"a..b": "v"}, "an attribute's name has"),
    ("attributes", {".a": "v"}, "an attribute's name has"),
    ("attributes", {"ä": "v"}, "an attribute's name has"),
    ("attributes", {"AWS.trace": "v"}, "an attribute's name has"),
    ("attributes", {"amazon.x": "v"}, "an attribute's name has"),
    ("attributes", {"a" * 257: "v"}, "an attribute's name has"),
    ("attributes", {"a": ""}, "attribute a must have 1 to 262144 characters"),
    ("attributes", {"a": 1}, "attribute a must be a string"),
    ("smtp_secret", MAIL_SECRET, "a queue-sqs action has no field 'smtp_secret'"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), REFUSED_IN_QUEUE)
def test_a_malformed_queue_action_is_refused(
    field: str, value: object, sentence: str
) -> None:
    with pytest.raises(InvalidDefinition, match=sentence):
        parse_queue_sqs(**{field: value})


@pytest.mark.parametrize("name", ["aws", "awsome.b", "amazons", "a" * 256, "a-b.c_d"])
def test_an_attribute_may_have_the_name(name: str) -> None:
    assert parse_queue_sqs(attributes={name: "v"}).attributes[0][0] == name


@pytest.mark.parametrize("seconds", [0, 1, 900])
def test_a_delay_is_of_whole_seconds_up_to_fifteen_minutes(seconds: int) -> None:
    delay = parse_queue_sqs(delay_seconds=seconds).routing.delay

    assert delay == timedelta(seconds=seconds)


def queued(
    *points: Mapping[str, object],
    done: frozenset[str] = NOTHING_DONE,
    **fields: object,
) -> tuple[QueueMessage, ...]:
    message = compose(an_action({**QUEUE_DOES, **fields}), trigger(*points), done)
    assert isinstance(message, QueueMessages)
    return message.messages


def test_a_queue_gets_one_message_for_each_data_point() -> None:
    warm, cold = queued(WARM, COLD)

    assert (json.loads(warm.body), json.loads(cold.body)) == (WARM, COLD)
    assert (warm.part, cold.part) == ("0", "1")


def test_a_queue_gets_one_message_for_all_data_points() -> None:
    (together,) = queued(WARM, COLD, batch_enabled=True)

    assert json.loads(together.body) == [WARM, COLD]
    assert together.part == "all"


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


def test_the_deduplication_id_is_made_of_trigger_profile_and_part() -> None:
    ids = [message.deduplication_id for message in queued(WARM, WARM)]

    assert ids == [f"t1.{PROFILE}.0", f"t1.{PROFILE}.1"]


@pytest.mark.parametrize("batched", [True, False])
def test_a_message_has_a_group_only_where_the_action_asks_for_one(
    *, batched: bool
) -> None:
    (asked,) = queued(WARM, batch_enabled=batched, group_id="$DEVICE$")
    (unasked,) = queued(WARM, batch_enabled=batched)

    assert (asked.group_id, unasked.group_id) == ("d1", None)


def test_parts_of_earlier_attempts_are_left_out_and_others_keep_names() -> None:
    left = queued(WARM, COLD, WARM, done=frozenset({"0", "2"}))

    assert [message.part for message in left] == ["1"]
    assert json.loads(left[0].body) == COLD


def test_placeholders_are_found_in_all_texts_of_a_queue_message() -> None:
    action = an_action(
        {
            **QUEUE_DOES,
            "message": "$VALUE$",
            "group_id": "$DEVICE$",
            "deduplication_id": "$LOCATION$",
            "attributes": {"a": "$UNIT$"},
        }
    )

    assert missing_facts(action, a_trigger()) == (
        Fact.DEVICE,
        Fact.LOCATION,
        Fact.UNIT,
        Fact.VALUE,
    )


POINTS = st.lists(
    st.fixed_dictionaries({"value": st.text()}, optional={"device": st.just("d1")}),
    min_size=1,
    max_size=6,
)


@given(points=POINTS, done=st.frozensets(st.sampled_from("012345")))
def test_parts_of_earlier_attempts_and_composed_parts_make_the_whole(
    points: list[Mapping[str, object]], done: frozenset[str]
) -> None:
    sent = trigger(*points)

    message = compose(an_action(QUEUE_DOES), sent, done)

    left = message.messages if isinstance(message, QueueMessages) else ()
    named: dict[str, DataPoint] = {str(n): point for n, point in enumerate(sent.data)}
    assert {m.part: json.loads(m.body) for m in left} == {
        part: point.fields for part, point in named.items() if part not in done
    }


@pytest.mark.parametrize(
    ("batched", "done"),
    [(False, {"0", "1"}), (True, {"all"})],
    ids=["messages", "one message"],
)
def test_no_message_is_composed_when_no_part_remains(
    *, batched: bool, done: set[str]
) -> None:
    action = an_action({**QUEUE_DOES, "batch_enabled": batched})

    outcome = compose(action, trigger(WARM, COLD), done)

    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("nothing is left to send")


PLAIN = QueueSqs(secret=QUEUE_SECRET, batched=False)


GROUPED = replace(PLAIN, routing=Routing(group_id=Template.parse("$DEVICE$")))


DELAYED = replace(PLAIN, routing=Routing(delay=timedelta()))


BOTH = replace(
    PLAIN, routing=Routing(group_id=Template.parse("$DEVICE$"), delay=timedelta())
)


@pytest.mark.parametrize(
    ("instruction", "sentence"),
    [
        (PLAIN, "a FIFO queue needs a group_id"),
        (DELAYED, "a FIFO queue needs a group_id"),
        (BOTH, "a FIFO queue takes no delay_seconds"),
    ],
    ids=["no group", "only a delay", "group and delay"],
)
def test_an_action_that_a_fifo_queue_would_refuse_is_refused(
    instruction: QueueSqs, sentence: str
) -> None:
    with pytest.raises(InvalidDefinition, match=sentence):
        instruction.check(fifo=True)


def test_a_fifo_queue_takes_messages_with_a_group() -> None:
    GROUPED.check(fifo=True)


@pytest.mark.parametrize("instruction", [PLAIN, GROUPED, DELAYED, BOTH])
def test_a_standard_queue_takes_them_all(instruction: QueueSqs) -> None:
    instruction.check(fifo=False)


@pytest.mark.parametrize(
    "body",
    [
        {"message": "$VALUE$" * 40},
        {"message": '{"v": $VALUE$, "w": "$VALUE$"}'},
        {"message": "m", "attributes": {"a": "$VALUE$$VALUE$"}},
        {"message": "m", "group_id": "$VALUE$$VALUE$"},
        {"message": "m", "deduplication_id": "$VALUE$$VALUE$"},
    ],
    ids=["body", "JSON", "attribute", "group", "deduplication id"],
)
def test_texts_are_measured_before_they_are_filled(body: Mapping[str, object]) -> None:
    point = {"value": '"' * 520_000 if "{" in str(body["message"]) else "x" * 1_000_000}
    action = an_action({**QUEUE_DOES, **body})

    outcome = compose(action, trigger(point), NOTHING_DONE)

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.TRIGGER
    assert "more than 1048576 bytes" in outcome.reason


@pytest.mark.parametrize(
    "message", ["x" * 20_000, "x" + "$UNIT$" * 20_000], ids=["literal", "empty facts"]
)
def test_the_messages_of_one_trigger_are_bounded_together(message: str) -> None:
    action = an_action({**QUEUE_DOES, "message": message})

    outcome = compose(action, trigger(*[{"value": 1}] * 1000), NOTHING_DONE)

    assert isinstance(outcome, Rejected)
    assert "messages to more than 10485760" in outcome.reason


def test_data_without_a_template_is_never_too_much() -> None:
    (message,) = queued({"value": "x" * 1_000_000})

    assert len(message.body) > 1_000_000


@pytest.mark.parametrize("batched", [True, False])
def test_data_is_utf8_and_not_escaped(*, batched: bool) -> None:
    (message,) = queued({"value": "Ж😀"}, batch_enabled=batched)

    assert message.body.strip("[]") == '{"value":"Ж😀"}'


def test_characters_that_only_json_takes_are_escaped() -> None:
    (message,) = queued({"value": "\ufffe\uffff\0"})

    assert message.body == '{"value":"\\ufffe\\uffff\\u0000"}'


def test_values_stay_in_the_strings_of_a_json_template() -> None:
    (message,) = queued(
        {"value": '","admin":true,"x":"'}, message='{"v":"$VALUE$","u":$UNIT$}'
    )

    assert json.loads(message.body) == {"v": '","admin":true,"x":"', "u": None}


def test_values_cannot_replace_a_key_of_a_json_template() -> None:
    action = an_action({**QUEUE_DOES, "message": '{"admin": 0, "$VARIABLE$": 1}'})

    good = compose(action, trigger({"variable": "v"}), NOTHING_DONE)
    bad = compose(action, trigger({"variable": "admin"}), NOTHING_DONE)

    assert isinstance(good, QueueMessages)
    assert isinstance(bad, Rejected)
    assert bad.fault is Fault.TRIGGER
    assert "a key twice" in bad.reason


@pytest.mark.parametrize(
    ("message", "begin"),
    [
        ('{"v": $VALUE$}', "message is a JSON template"),
        ('{"v": $VALUE$', "message begins like JSON and is none"),
        ("{{$VALUE$}}", "message begins like JSON and is none"),
        ("$OWNER$", "$OWNER$ is no placeholder"),
    ],
)
def test_an_action_remarks_on_how_its_message_is_read(message: str, begin: str) -> None:
    (remark,) = parse_queue_sqs(message=message).remarks

    assert remark.startswith(begin)


def test_an_action_that_can_be_read_in_one_way_only_needs_no_remark() -> None:
    assert parse_queue_sqs(message="now $VALUE$").remarks == ()
    assert parse_queue_sqs().remarks == ()
    assert parse_queue_sqs().extent(a_trigger()) == 0
